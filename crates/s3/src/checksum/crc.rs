//! CRC-64/NVME, and the CRC of a concatenation from the CRCs of what is concatenated.

/// CRC-64/NVME in bit-reversed form.
const POLYNOMIAL_64: u64 = 0x9A6C_9329_AC4B_C9B5;
/// Bytes that one step of [`crc64nvme_append`] takes in; each has a table of its own.
const STEP_BYTES: usize = 16;

static TABLES: [[u64; 256]; STEP_BYTES] = tables();

#[expect(clippy::indexing_slicing, reason = "computed when compiled: an index out of bounds would not compile")]
const fn tables() -> [[u64; 256]; STEP_BYTES] {
    let mut tables = [[0; 256]; STEP_BYTES];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL_64 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < STEP_BYTES {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[table - 1][byte];
            tables[table][byte] = (crc >> 8) ^ tables[0][(crc & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The CRC of what has the CRC `crc`, followed by `bytes`. The CRC of nothing is 0.
pub(crate) fn crc64nvme_append(crc: u64, bytes: &[u8]) -> u64 {
    let mut crc = !crc;
    let (steps, rest) = bytes.as_chunks::<STEP_BYTES>();
    for step in steps {
        let mut mixed = *step;
        for (byte, old) in mixed.iter_mut().zip(crc.to_le_bytes()) {
            *byte ^= old;
        }
        // The last byte of the step has the shortest way to go, so it uses the first table.
        crc = mixed.iter().zip(TABLES.iter().rev()).fold(0, |crc, (byte, table)| crc ^ entry(table, *byte));
    }
    let [first, ..] = &TABLES;
    for byte in rest {
        crc = (crc >> 8) ^ entry(first, crc.to_le_bytes()[0] ^ byte);
    }
    !crc
}

#[expect(clippy::indexing_slicing, reason = "a byte never leaves a table of 256")]
fn entry(table: &[u64; 256], byte: u8) -> u64 {
    table[usize::from(byte)]
}

/// The field in which a reflected CRC with inverted start and end computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// The polynomial, bit-reversed.
    polynomial: u64,
    /// The highest bit of a CRC, which stands for 1.
    one: u64,
}

/// CRC-32 (IEEE).
pub(crate) const CRC32: Field = Field { polynomial: 0xEDB8_8320, one: 1 << 31 };
/// CRC-32C (Castagnoli).
pub(crate) const CRC32C: Field = Field { polynomial: 0x82F6_3B78, one: 1 << 31 };
/// CRC-64/NVME.
pub(crate) const CRC64NVME: Field = Field { polynomial: POLYNOMIAL_64, one: 1 << 63 };

impl Field {
    /// The CRC of A followed by B, from the CRC of A, the CRC of B, and B's length: A's moves up by B's bits.
    pub(crate) fn concat(self, a: u64, b: u64, b_bytes: u64) -> u64 {
        self.multiply(a, self.shift(b_bytes)) ^ b
    }

    /// x to the power of 8 * `bytes`.
    fn shift(self, mut bytes: u64) -> u64 {
        let mut power = self.one >> 8;
        let mut product = self.one;
        while bytes > 0 {
            if bytes & 1 == 1 {
                product = self.multiply(product, power);
            }
            power = self.multiply(power, power);
            bytes >>= 1;
        }
        product
    }

    fn multiply(self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        let mut bit = self.one;
        while bit > 0 {
            if a & bit > 0 {
                product ^= b;
            }
            b = if b & 1 == 1 { (b >> 1) ^ self.polynomial } else { b >> 1 };
            bit >>= 1;
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::crc64nvme_append;

    #[test]
    fn the_crc_does_not_depend_on_where_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let whole = crc64nvme_append(0, &bytes);
        for cut in [0, 1, 7, 15, 16, 17, 999] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(crc64nvme_append(crc64nvme_append(0, a), b), whole);
        }
    }
}
