//! Results, and how they are cut into pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_core::Timestamp;
use serde::Serialize;

use super::question::Question;
use super::{MetricsError, Series};

/// The version that tokens begin with.
const TOKEN_VERSION: u8 = 1;

/// One series of the answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDataResult {
    id: String,
    label: String,
    timestamps: Vec<Timestamp>,
    values: Vec<f64>,
    status_code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

/// A message.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    code: String,
    value: String,
}

impl MetricDataResult {
    pub(super) fn new(id: &str, label: String, series: &Series, descending: bool) -> MetricDataResult {
        let mut points = series.points.clone();
        if descending {
            points.reverse();
        }
        let (timestamps, values) = points.into_iter().map(|(at_s, value)| (Timestamp::from_secs(at_s), value)).unzip();
        let status_code = "Complete";
        MetricDataResult { id: id.to_owned(), label, timestamps, values, status_code, messages: Vec::new() }
    }

    /// The points from one on, at most so many.
    fn part(&self, from: usize, max: usize) -> MetricDataResult {
        let until = from.saturating_add(max).min(self.values.len());
        let complete = until == self.values.len();
        MetricDataResult {
            id: self.id.clone(),
            label: self.label.clone(),
            timestamps: self.timestamps.get(from..until).unwrap_or_default().to_vec(),
            values: self.values.get(from..until).unwrap_or_default().to_vec(),
            status_code: if complete { "Complete" } else { "PartialData" },
            messages: Vec::new(),
        }
    }
}

/// The page that the request's token asks for, and the token of the next one.
///
/// # Errors
/// The token is none of this request.
pub(super) fn page(
    results: Vec<MetricDataResult>,
    question: &Question,
) -> Result<(Vec<MetricDataResult>, Option<String>), MetricsError> {
    let (first, mut from) = match &question.token {
        None => (0, 0),
        Some(token) => read_token(token, question.fingerprint).ok_or(MetricsError::NextToken)?,
    };
    let mut left = question.points_max;
    let mut shown = Vec::new();
    for (at, result) in results.iter().enumerate().skip(first) {
        if left == 0 && !result.values.is_empty() {
            return Ok((shown, Some(token(at, from, question.fingerprint))));
        }
        let part = result.part(from, left);
        let (taken, until) = (part.values.len(), from + part.values.len());
        left -= taken;
        shown.push(part);
        if until < result.values.len() {
            return Ok((shown, Some(token(at, until, question.fingerprint))));
        }
        from = 0;
    }
    Ok((shown, None))
}

fn token(result: usize, point: usize, fingerprint: u64) -> String {
    let mut bytes = vec![TOKEN_VERSION];
    for part in [result as u64, point as u64, fingerprint] {
        bytes.extend(part.to_be_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_token(token: &str, fingerprint: u64) -> Option<(usize, usize)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let parts: Vec<u64> =
        rest.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok()).map(u64::from_be_bytes).collect();
    match parts.as_slice() {
        [result, point, known] if *version == TOKEN_VERSION && rest.len() == 24 && *known == fingerprint => {
            Some((usize::try_from(*result).ok()?, usize::try_from(*point).ok()?))
        }
        _ => None,
    }
}
