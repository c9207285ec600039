//! Random passwords.
//!
//! AWS: *GetRandomPassword*.

use std::sync::Arc;

use cauce_core::{Call, Entropy, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::service::SecretsManager;

/// The longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 4_096;

const PASSWORD_CHARS: i64 = 32;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What a password is made of.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetRandomPassword {
    password_length: Option<i64>,
    exclude_characters: Option<String>,
    exclude_numbers: Option<bool>,
    exclude_punctuation: Option<bool>,
    exclude_uppercase: Option<bool>,
    exclude_lowercase: Option<bool>,
    include_space: Option<bool>,
    require_each_included_type: Option<bool>,
}

impl Input for GetRandomPassword {
    fn validate(&self, v: &mut Violations) {
        if let Some(length) = self.password_length {
            v.range("passwordLength", length, 1, 4_096);
        }
        if let Some(excluded) = &self.exclude_characters {
            v.length("excludeCharacters", excluded, 0, PASSWORD_CHARS_MAX);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RandomPassword {
    random_password: String,
}

impl GetRandomPassword {
    pub(crate) fn draw(&self, entropy: &dyn Entropy) -> Result<String, Error> {
        let excluded = self.exclude_characters.as_deref().unwrap_or("");
        let kinds = [
            (LOWER, self.exclude_lowercase),
            (UPPER, self.exclude_uppercase),
            (NUMBERS, self.exclude_numbers),
            (PUNCTUATION, self.exclude_punctuation),
            (" ", Some(!self.include_space.unwrap_or(false))),
        ];
        let letters = |letters: &str| letters.bytes().filter(|&b| !excluded.contains(char::from(b))).collect();
        let kinds: Vec<Vec<u8>> = kinds
            .into_iter()
            .filter(|(_, excluded)| !excluded.unwrap_or(false))
            .map(|(all, _)| letters(all))
            .filter(|letters: &Vec<u8>| !letters.is_empty())
            .collect();
        if kinds.is_empty() {
            return Err(Error::Parameter("No characters are left to generate the password with.".to_owned()));
        }
        let length = usize::try_from(self.password_length.unwrap_or(PASSWORD_CHARS)).unwrap_or(PASSWORD_CHARS_MAX);
        let mut drawn = String::new();
        if self.require_each_included_type.unwrap_or(true) {
            if kinds.len() > length {
                let message = "The password length is less than the number of the required character types.";
                return Err(Error::Parameter(message.to_owned()));
            }
            kinds.iter().for_each(|kind| drawn.push_str(&entropy.text(kind, 1)));
        }
        drawn.push_str(&entropy.text(&kinds.concat(), length - drawn.len()));
        Ok(shuffled(drawn.into_bytes(), entropy))
    }
}

/// The characters in random order, so that nobody knows where which kind stands.
fn shuffled(mut letters: Vec<u8>, entropy: &dyn Entropy) -> String {
    for last in (1..letters.len()).rev() {
        let other = usize::try_from(entropy.below(last as u64 + 1)).unwrap_or(last);
        letters.swap(last, other);
    }
    letters.into_iter().map(char::from).collect()
}

impl SecretsManager {
    pub(crate) async fn get_random_password(
        self: Arc<Self>,
        _call: Call,
        input: GetRandomPassword,
    ) -> Result<RandomPassword, Error> {
        Ok(RandomPassword { random_password: input.draw(self.env.entropy())? })
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::SeededEntropy;
    use serde_json::json;

    use super::GetRandomPassword;

    fn draw(wishes: serde_json::Value) -> Result<String, String> {
        let wishes: GetRandomPassword = serde_json::from_value(wishes).unwrap();
        wishes.draw(&SeededEntropy::new(7)).map_err(|error| error.to_string())
    }

    #[test]
    fn passwords_are_what_was_asked_for() {
        let plain = draw(json!({})).unwrap();
        assert_eq!(plain.len(), 32);
        let kinds: [fn(&u8) -> bool; 4] =
            [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit, u8::is_ascii_punctuation];
        assert!(kinds.iter().all(|kind| plain.bytes().any(|b| kind(&b))));
        let digits = json!({ "PasswordLength": 200, "ExcludeLowercase": true, "ExcludeUppercase": true,
            "ExcludePunctuation": true, "ExcludeCharacters": "01" });
        let digits = draw(digits).unwrap();
        assert!(digits.len() == 200 && digits.bytes().all(|b| (b'2'..=b'9').contains(&b)));
        // Four kinds in four characters: each is there.
        let short = draw(json!({ "PasswordLength": 4 })).unwrap();
        assert!(kinds.iter().all(|kind| short.bytes().any(|b| kind(&b))));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        assert!(draw(json!({ "PasswordLength": 3 })).is_err());
        assert!(draw(json!({ "PasswordLength": 3, "RequireEachIncludedType": false })).is_ok());
        let nothing = json!({ "ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludePunctuation": true,
            "ExcludeNumbers": true });
        assert!(draw(nothing).is_err());
    }
}
