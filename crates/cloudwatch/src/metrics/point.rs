//! The row of a point: a distribution, as short as it can be. Most points have one value that came a whole number of times.

use cauce_core::{Distribution, Spread};
use cauce_store::{Bytes, RecordError, RowReader, RowWriter};

const VERSION: u8 = 1;
/// Values as they are.
const EXACT: u8 = 0;
/// Buckets.
const BUCKETS: u8 = 1;
/// No values.
const UNKNOWN: u8 = 2;
/// The largest count that is written as a whole number: doubles below it are exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A whole number in one to nine bytes, any other one in nine.
fn put_count(row: &mut RowWriter, count: f64) {
    if (0.0..WHOLE_MAX).contains(&count) && count.fract() == 0.0 {
        // The check above makes the cast exact.
        row.varint((count as u64) << 1);
    } else {
        row.varint(1).u64(count.to_bits());
    }
}

fn count(row: &mut RowReader<'_>) -> Result<f64, RecordError> {
    let whole = row.varint()?;
    Ok(if whole & 1 == 0 { (whole >> 1) as f64 } else { f64::from_bits(row.u64()?) })
}

/// The row of a distribution.
pub(crate) fn encode(distribution: &Distribution) -> Bytes {
    let mut row = RowWriter::new(VERSION);
    put_count(&mut row, distribution.count());
    for figure in [distribution.sum(), distribution.min(), distribution.max()] {
        row.u64(figure.to_bits());
    }
    match distribution.spread() {
        Spread::Unknown => {
            row.u8(UNKNOWN);
        }
        Spread::Exact(values) => {
            row.u8(EXACT).varint(values.len() as u64);
            for (value, times) in values {
                row.u64(value.to_bits());
                put_count(&mut row, *times);
            }
        }
        Spread::Buckets { zeros, buckets } => {
            row.u8(BUCKETS);
            put_count(&mut row, *zeros);
            row.varint(buckets.len() as u64);
            let mut before = 0;
            for (number, times) in buckets {
                // Sorted, so that only the first distance can be below zero.
                let distance = i64::from(*number) - before;
                row.varint((distance.cast_unsigned() << 1) ^ (distance >> 63).cast_unsigned());
                put_count(&mut row, *times);
                before = i64::from(*number);
            }
        }
    }
    row.finish()
}

/// The distribution of a row.
pub(crate) fn decode(row: &[u8]) -> Result<Distribution, RecordError> {
    let (version, mut row) = RowReader::new(row)?;
    if version != VERSION {
        return Err(RecordError::Version { found: version, written: VERSION });
    }
    let total = count(&mut row)?;
    let (sum, min, max) = (f64::from_bits(row.u64()?), f64::from_bits(row.u64()?), f64::from_bits(row.u64()?));
    let spread = match row.u8()? {
        UNKNOWN => Spread::Unknown,
        EXACT => {
            // Not trusted as a capacity: a row that lies about its count ends below.
            let (length, mut values) = (row.varint()?, Vec::new());
            for _ in 0..length {
                values.push((f64::from_bits(row.u64()?), count(&mut row)?));
            }
            Spread::Exact(values)
        }
        BUCKETS => {
            let zeros = count(&mut row)?;
            let (length, mut buckets, mut before) = (row.varint()?, Vec::new(), 0_i64);
            for _ in 0..length {
                let packed = row.varint()?;
                let distance = (packed >> 1).cast_signed() ^ -(packed & 1).cast_signed();
                before = before.saturating_add(distance);
                let number = i32::try_from(before).map_err(|_| RecordError::Payload("no such bucket".to_owned()))?;
                buckets.push((number, count(&mut row)?));
            }
            Spread::Buckets { zeros, buckets }
        }
        other => return Err(RecordError::Payload(format!("no spread {other}"))),
    };
    row.end()?;
    Ok(Distribution::from_parts(total, sum, min, max, spread))
}

#[cfg(test)]
mod tests {
    use cauce_core::Distribution;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{decode, encode};

    proptest! {
        #[test]
        fn distributions_come_back(values in proptest::collection::vec((0.0f64..1e9, 0.5f64..4.0), 0..300), whole in any::<bool>(), negative in any::<bool>()) {
            let mut distribution = Distribution::default();
            for (value, times) in values {
                distribution.add(value, if whole { times.ceil() } else { times });
            }
            if negative {
                distribution.add(-1.0, 1.0);
            }
            let row = encode(&distribution);
            prop_assert_eq!(decode(&row).unwrap(), distribution);
            for cut in 0..row.len() {
                prop_assert!(decode(&row[..cut]).is_err());
            }
        }

        #[test]
        fn no_row_makes_it_fail_badly(row in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&row);
            let _ = decode(&[&[1][..], &row].concat());
        }
    }

    #[test]
    fn most_points_are_short() {
        assert!(encode(&Distribution::of(1.0, 1_000.0)).len() <= 41);
    }
}
