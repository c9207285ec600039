//! What a request claims of its signature, in its `Authorization` header or its query.

use std::borrow::Cow;

use cauce_core::{Region, Timestamp};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use super::{ALGORITHM, EXPIRES_S_MAX, Refusal, SKEW_S_MAX};

/// Where the signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The `Authorization` header.
    Header,
    /// The query of a presigned URL, good for so many seconds.
    Query { expires_s: u64 },
}

/// A signature with what it says of itself. Nothing of it is believed until [`Presented::verify`] has succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) carrier: Carrier,
    /// `KEY/DATE/REGION/SERVICE/aws4_request`.
    pub(crate) credential: Cow<'a, str>,
    /// Names in lower case, separated by semicolons.
    pub(crate) signed_headers: Cow<'a, str>,
    pub(crate) signature: Cow<'a, str>,
    /// `20260101T000000Z`, as it came.
    pub(crate) date: Cow<'a, str>,
    pub(crate) token: Option<Cow<'a, str>>,
}

/// The parts of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) terminator: &'a str,
}

impl<'a> Presented<'a> {
    /// The signature a request presents, if any.
    ///
    /// # Errors
    /// When there is one but parts of it are absent or unreadable.
    pub(crate) fn find(headers: &'a HeaderMap, query: &'a str) -> Result<Option<Presented<'a>>, Refusal> {
        if let Some(value) = headers.get(http::header::AUTHORIZATION) {
            return Presented::from_header(headers, value.as_bytes()).map(Some);
        }
        if query.contains("X-Amz-Signature=") || query.contains("X-Amz-Algorithm=") {
            return Presented::from_query(query).map(Some);
        }
        Ok(None)
    }

    /// The service that a signature seems to be for even though it is broken, so that its refusal has the right form.
    pub(crate) fn guess_service(headers: &HeaderMap, query: &str) -> Option<String> {
        let header = headers.get(http::header::AUTHORIZATION).map(|v| String::from_utf8_lossy(v.as_bytes()));
        if header.as_ref().is_some_and(|text| text.starts_with("AWS ")) {
            // Version 2 of the signature in a header was never spoken by any service but this one.
            return Some("s3".to_owned());
        }
        let text = header.unwrap_or_else(|| percent_decode_str(query).decode_utf8_lossy());
        let (_, credential) = text.split_once("Credential=")?;
        credential.split([',', '&']).next()?.split('/').nth(3).map(str::to_owned)
    }

    fn from_header(headers: &'a HeaderMap, value: &'a [u8]) -> Result<Presented<'a>, Refusal> {
        if headers.get_all(http::header::AUTHORIZATION).iter().count() > 1 {
            return Err(Refusal::Incomplete("The request carries more than one Authorization header.".to_owned()));
        }
        let text = std::str::from_utf8(value).unwrap_or("");
        let (algorithm, fields) = text.split_once(' ').unwrap_or((text, ""));
        // `AWS4-` names a member of this family; anything else (Basic, Bearer, AWS) is judged by what it lacks, as AWS does.
        if algorithm != ALGORITHM && algorithm.starts_with("AWS") {
            return Err(Refusal::Algorithm);
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',').map(str::trim) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                let message = format!("Authorization header has more than one '{name}' parameter.");
                return Err(Refusal::Incomplete(message));
            }
        }
        let credential = credential.filter(|v| !v.is_empty());
        let signed_headers = signed_headers.filter(|v| !v.is_empty());
        let signature = signature.filter(|v| !v.is_empty());
        let date = header_date(headers);
        match (credential, signature, signed_headers, date) {
            (Some(credential), Some(signature), Some(signed_headers), Some(date)) if algorithm == ALGORITHM => {
                let presented = Presented {
                    carrier: Carrier::Header,
                    credential: credential.into(),
                    signed_headers: signed_headers.into(),
                    signature: signature.into(),
                    date,
                    token: header_text(headers, "x-amz-security-token").map(Cow::Borrowed),
                };
                presented.with_whole_scope()
            }
            (credential, signature, signed_headers, date) => Err(Refusal::Incomplete(lacks(
                [credential.is_some(), signature.is_some(), signed_headers.is_some()],
                date.is_some(),
                value,
            ))),
        }
    }

    fn from_query(query: &'a str) -> Result<Presented<'a>, Refusal> {
        let value = |name: &str| {
            let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(n, _)| *n == name);
            let first = found.next().map(|(_, v)| percent_decode_str(v).decode_utf8_lossy());
            // A second value could be read by one side and not by the other.
            (found.next().is_none(), first.filter(|v| !v.is_empty()))
        };
        let lacks = || {
            let message = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                           X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
            Refusal::BadQuery(message.to_owned())
        };
        let one = |name: &str| match value(name) {
            (true, Some(v)) => Ok(v),
            _ => Err(lacks()),
        };
        if one("X-Amz-Algorithm")? != ALGORITHM {
            let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
            return Err(Refusal::BadQuery(message.to_owned()));
        }
        let expires = one("X-Amz-Expires")?;
        let expires_s: u64 = expires.parse().map_err(|_| {
            let why = if expires.starts_with('-') {
                "X-Amz-Expires must be non-negative"
            } else {
                "X-Amz-Expires should be a number"
            };
            Refusal::BadQuery(why.to_owned())
        })?;
        if expires_s == 0 {
            return Err(Refusal::BadQuery("X-Amz-Expires must be greater than or equal to 1".to_owned()));
        }
        if expires_s > EXPIRES_S_MAX {
            let message = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be \
                           less than 604800 seconds";
            return Err(Refusal::BadQuery(message.to_owned()));
        }
        let (single, token) = value("X-Amz-Security-Token");
        if !single {
            return Err(lacks());
        }
        let presented = Presented {
            carrier: Carrier::Query { expires_s },
            credential: one("X-Amz-Credential")?,
            signed_headers: one("X-Amz-SignedHeaders")?,
            signature: one("X-Amz-Signature")?,
            date: one("X-Amz-Date")?,
            token,
        };
        presented.with_whole_scope()
    }

    fn with_whole_scope(self) -> Result<Presented<'a>, Refusal> {
        if self.scope().is_some() {
            return Ok(self);
        }
        let message = format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{}'",
            self.credential
        );
        Err(match self.carrier {
            Carrier::Header => Refusal::Incomplete(message),
            Carrier::Query { .. } => Refusal::BadQuery(message),
        })
    }

    /// The parts of the credential; always there after [`Presented::find`].
    pub(crate) fn scope(&self) -> Option<Scope<'_>> {
        let mut parts = self.credential.split('/');
        let mut next = || parts.next();
        let scope =
            Scope { access_key_id: next()?, date: next()?, region: next()?, service: next()?, terminator: next()? };
        next().is_none().then_some(scope)
    }

    /// Refuses what is wrong whatever the secret: a scope that is not this service's, headers that should be signed and are
    /// not, a time too far from ours.
    ///
    /// # Errors
    /// The first of these that is found.
    pub(crate) fn check(&self, headers: &HeaderMap, service: &str, now: Timestamp) -> Result<(), Refusal> {
        self.check_scope(service)?;
        self.check_signed_headers(headers)?;
        self.check_time(now)
    }

    fn check_scope(&self, service: &str) -> Result<(), Refusal> {
        let Some(scope) = self.scope() else { return Err(Refusal::Mismatch) };
        let mut wrong = String::new();
        if Region::new(scope.region).is_err() {
            wrong.push_str(&format!("Credential should be scoped to a valid region, not '{}'. ", scope.region));
        }
        if scope.service != service {
            wrong.push_str(&format!("Credential should be scoped to correct service: '{service}'. "));
        }
        if scope.terminator != "aws4_request" {
            let terminator = scope.terminator;
            wrong.push_str(&format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. "
            ));
        }
        if self.date.get(..8) != Some(scope.date) {
            wrong.push_str(&format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from \
                 '{}'. ",
                scope.date,
                self.date.get(..8).unwrap_or(&self.date),
                self.date
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Refusal::Scope(wrong)) }
    }

    /// The host and every `x-amz-*` header must be signed, each name once, and each must be in the request.
    fn check_signed_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let signed = || self.signed_headers.split(';');
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        for (at, name) in signed().enumerate() {
            let well_formed = !name.is_empty() && name.bytes().all(|b| token(b) && !b.is_ascii_uppercase());
            let repeated = signed().take(at).any(|earlier| earlier == name);
            let present = name == "host" || headers.contains_key(name);
            if !well_formed || repeated || !present {
                return Err(Refusal::Mismatch);
            }
        }
        if !signed().any(|name| name == "host") {
            return Err(Refusal::Unsigned(vec!["host".to_owned()]));
        }
        let unsigned: Vec<String> = headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-amz-") && !signed().any(|signed| signed == *name))
            .map(str::to_owned)
            .collect();
        if unsigned.is_empty() { Ok(()) } else { Err(Refusal::Unsigned(unsigned)) }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(at) = parse_basic(&self.date) else {
            let date = &self.date;
            return Err(match self.carrier {
                Carrier::Header => Refusal::Incomplete(format!(
                    "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
                )),
                Carrier::Query { .. } => Refusal::BadQuery(
                    "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned(),
                ),
            });
        };
        let skew = std::time::Duration::from_secs(SKEW_S_MAX);
        let minutes = SKEW_S_MAX / 60;
        let date = &self.date;
        if at > now + skew {
            let (limit, now) = (basic(now + skew), basic(now));
            return Err(Refusal::Early(format!(
                "Signature not yet current: {date} is still later than {limit} ({now} + {minutes} min.)"
            )));
        }
        match self.carrier {
            Carrier::Header if at < now - skew => {
                let (limit, now) = (basic(now - skew), basic(now));
                Err(Refusal::Expired(format!(
                    "Signature expired: {date} is now earlier than {limit} ({now} - {minutes} min.)"
                )))
            }
            Carrier::Query { expires_s } if now > at + std::time::Duration::from_secs(expires_s) => {
                let end = basic(at + std::time::Duration::from_secs(expires_s));
                Err(Refusal::UrlExpired(format!("Signature expired: {} is now later than {end}", basic(now))))
            }
            _ => Ok(()),
        }
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// The request's time in the basic format, from `X-Amz-Date` or else `Date`.
fn header_date(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(date) = header_text(headers, "x-amz-date") {
        return Some(date.into());
    }
    let date = header_text(headers, "date")?;
    match httpdate::parse_http_date(date) {
        Ok(time) => {
            let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(basic(Timestamp::EPOCH + since).into())
        }
        Err(_) => Some(date.into()),
    }
}

fn lacks([credential, signature, signed_headers]: [bool; 3], date: bool, authorization: &[u8]) -> String {
    let mut text = String::new();
    for (there, name) in [(credential, "Credential"), (signature, "Signature"), (signed_headers, "SignedHeaders")] {
        if !there {
            text.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
    }
    if !date {
        text.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
    }
    // The header may hold a secret of another scheme, so its hash stands for it.
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Sha256::digest(authorization));
    text.push_str(&format!("(Hashed with SHA-256 and encoded with Base64) Authorization={hash}"));
    text
}

/// Reads `20260101T000000Z` and nothing else.
pub(crate) fn parse_basic(text: &str) -> Option<Timestamp> {
    let shape = |(at, b): (usize, u8)| match at {
        8 => b == b'T',
        15 => b == b'Z',
        _ => b.is_ascii_digit(),
    };
    (text.len() == 16 && text.bytes().enumerate().all(shape)).then(|| Timestamp::parse(text)).flatten()
}

/// Writes `20260101T000000Z`.
pub(crate) fn basic(at: Timestamp) -> String {
    at.iso_secs().chars().filter(|c| !matches!(c, '-' | ':')).collect()
}
