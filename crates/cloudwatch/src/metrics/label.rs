//! Labels with parts that the data fills in. AWS: *CloudWatch User Guide*, "Using dynamic labels".

use cauce_core::Timestamp;

use super::math::Series;

/// The longest label that is filled in, in bytes.
const LABEL_BYTES_MAX: usize = 16_384;

/// What a label may name besides the points.
pub(crate) struct Properties<'a> {
    /// What the label would be if none were given.
    pub(crate) default: &'a str,
    /// The value of `${PROP('NAME')}`.
    pub(crate) property: &'a dyn Fn(&str) -> Option<String>,
    /// How far the caller's clock is ahead of UTC, in seconds.
    pub(crate) offset_s: i64,
    /// The end of what was asked for, to which relative times refer.
    pub(crate) now_s: i64,
}

/// The label with what stands in `${...}` filled in; what is no such expression stays as it is.
pub(crate) fn fill(label: &str, series: &Series, properties: &Properties<'_>) -> String {
    let mut out = String::with_capacity(label.len());
    let mut rest = label;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((expression, after)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        match value(expression.trim(), series, properties) {
            Some(value) => out.push_str(&value),
            None => {
                out.push_str("${");
                out.push_str(expression);
                out.push('}');
            }
        }
        rest = after;
        if out.len() > LABEL_BYTES_MAX {
            break;
        }
    }
    out.push_str(rest);
    out
}

fn value(expression: &str, series: &Series, properties: &Properties<'_>) -> Option<String> {
    let points = &series.points;
    let by_value = |a: &&(i64, f64), b: &&(i64, f64)| a.1.total_cmp(&b.1);
    let (first, last) = (points.first(), points.last());
    let (min, max) = (points.iter().min_by(by_value), points.iter().max_by(by_value));
    let number = |point: Option<&(i64, f64)>| point.map_or_else(|| "--".to_owned(), |(_, value)| shown(*value));
    let time =
        |point: Option<&(i64, f64)>| point.map_or_else(|| "--".to_owned(), |(at_s, _)| at(*at_s + properties.offset_s));
    let ago = |point: Option<&(i64, f64)>| {
        point.map_or_else(|| "--".to_owned(), |(at_s, _)| relative(properties.now_s - at_s))
    };
    let sum: f64 = points.iter().map(|(_, value)| value).sum();
    let of_all = |value: f64| if points.is_empty() { "--".to_owned() } else { shown(value) };
    Some(match expression {
        "LABEL" => properties.default.to_owned(),
        "SUM" => of_all(sum),
        "AVG" => of_all(sum / points.len().max(1) as f64),
        "DATAPOINT_COUNT" => points.len().to_string(),
        "FIRST" => number(first),
        "LAST" => number(last),
        "MIN" => number(min),
        "MAX" => number(max),
        "FIRST_LAST_RANGE" => format!("{} - {}", number(first), number(last)),
        "MIN_MAX_RANGE" => format!("{} - {}", number(min), number(max)),
        "FIRST_TIME" => time(first),
        "LAST_TIME" => time(last),
        "MIN_TIME" => time(min),
        "MAX_TIME" => time(max),
        "FIRST_LAST_TIME_RANGE" => format!("{} - {}", time(first), time(last)),
        "MIN_MAX_TIME_RANGE" => format!("{} - {}", time(min), time(max)),
        "FIRST_TIME_RELATIVE" => ago(first),
        "LAST_TIME_RELATIVE" => ago(last),
        "MIN_TIME_RELATIVE" => ago(min),
        "MAX_TIME_RELATIVE" => ago(max),
        other => {
            let name = other.strip_prefix("PROP(")?.strip_suffix(')')?.trim();
            (properties.property)(name.trim_matches(['\'', '"']))?
        }
    })
}

/// At most three digits after the point.
fn shown(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn at(at_s: i64) -> String {
    Timestamp::from_secs(at_s).to_jiff().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn relative(seconds: i64) -> String {
    match seconds {
        s if s < 60 => format!("{s}s ago"),
        s if s < 3_600 => format!("{}m ago", s / 60),
        s if s < 86_400 => format!("{}h ago", s / 3_600),
        s => format!("{}d ago", s / 86_400),
    }
}

/// `+0130` in seconds.
pub(crate) fn offset_s(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::{Properties, fill, offset_s};
    use crate::metrics::math::Series;

    #[test]
    fn labels_are_filled_in() {
        let series = Series::new("m", 60, vec![(60, 2.0), (120, 0.5), (180, 7.25)]);
        let property = |name: &str| (name == "MetricName").then(|| "Calls".to_owned());
        let check = |label: &str, expect: &str| {
            let properties = Properties { default: "m", property: &property, offset_s: 3_600, now_s: 240 };
            assert_eq!(fill(label, &series, &properties), expect, "{label}");
        };
        check("plain", "plain");
        check("[${MAX}] ${LABEL}", "[7.25] m");
        check("${SUM} ${AVG} ${DATAPOINT_COUNT}", "9.75 3.25 3");
        check("${FIRST_LAST_RANGE}, ${MIN_MAX_RANGE}", "2 - 7.25, 0.5 - 7.25");
        check("${MIN_TIME}", "1970-01-01 01:02:00");
        check("${LAST_TIME_RELATIVE}", "1m ago");
        check("${PROP('MetricName')} ${PROP('Nothing')}", "Calls ${PROP('Nothing')}");
        check("${NOTHING} ${ $ {MAX} ${", "${NOTHING} ${ $ {MAX} ${");
        let none = Series::new("m", 60, Vec::new());
        let properties = Properties { default: "m", property: &property, offset_s: 0, now_s: 0 };
        assert_eq!(fill("${MAX} ${AVG} ${LAST_TIME}", &none, &properties), "-- -- --");
    }

    #[test]
    fn offsets() {
        assert_eq!((offset_s("+0130"), offset_s("-0800"), offset_s("+0000")), (Some(5_400), Some(-28_800), Some(0)));
        assert!(["", "0100", "+100", "+2400", "+0060", "+01:0"].into_iter().all(|text| offset_s(text).is_none()));
    }
}
