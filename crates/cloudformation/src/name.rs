//! The names that CloudFormation makes up for resources.
//!
//! AWS: *CloudFormation User Guide*, "Name Type": `STACK-LOGICAL-SUFFIX`. The suffix comes from a hash of what the name is for,
//! so that a request that is repeated after a crash carries the same name.

use cauce_core::ResourceSchema;
use sha2::{Digest as _, Sha256};

/// Characters of the suffix.
const SUFFIX_CHARS: usize = 12;
/// The longest made-up name where the type names no limit.
const NAME_CHARS_MAX: usize = 255;
/// The type whose names have no stack in them: the CDK takes the ARN of a secret apart at its hyphens.
const SECRET: &str = "AWS::SecretsManager::Secret";

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The name of a resource that is made by the `serial`-th operation of a stack.
pub(crate) fn generate(
    schema: &ResourceSchema,
    stack_id: &str,
    stack_name: &str,
    logical_id: &str,
    serial: u64,
) -> String {
    let suffix = suffix(&format!("{stack_id}\n{logical_id}\n{serial}"));
    let longest = if schema.name_chars_max == 0 { NAME_CHARS_MAX } else { schema.name_chars_max };
    let room = longest.saturating_sub(SUFFIX_CHARS + 1);
    let name = if schema.type_name == SECRET {
        format!("{}-{suffix}", cut(logical_id, room))
    } else if room < 3 {
        cut(&suffix, longest).to_owned()
    } else {
        let room = room - 1;
        // The longer part gives way first.
        let (mut stack, mut logical) = (stack_name.len(), logical_id.len());
        if stack + logical > room {
            let half = room / 2;
            if logical <= half {
                stack = room - logical;
            } else if stack <= room - half {
                logical = room - stack;
            } else {
                (stack, logical) = (room - half, half);
            }
        }
        format!("{}-{}-{suffix}", cut(stack_name, stack), cut(logical_id, logical))
    };
    if schema.name_lower_case { name.to_ascii_lowercase() } else { name }
}

fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

fn suffix(subject: &str) -> String {
    let digest = Sha256::digest(subject);
    digest
        .iter()
        .take(SUFFIX_CHARS)
        .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use cauce_core::ResourceSchema;

    use super::generate;

    const fn schema(type_name: &'static str, name_chars_max: usize, name_lower_case: bool) -> ResourceSchema {
        ResourceSchema {
            type_name,
            properties: &[],
            name_property: None,
            name_chars_max,
            name_lower_case,
            attributes: &[],
        }
    }

    #[test]
    fn names_are_stable_and_fit() {
        let role = schema("AWS::IAM::Role", 64, false);
        let name = generate(&role, "id", "my-stack", "Worker", 1);
        assert_eq!(name.len(), "my-stack-Worker-".len() + 12);
        assert!(name.starts_with("my-stack-Worker-"));
        assert_eq!(name, generate(&role, "id", "my-stack", "Worker", 1));
        assert_ne!(name, generate(&role, "id", "my-stack", "Worker", 2));
        assert_ne!(name, generate(&role, "other", "my-stack", "Worker", 1));
        let long = generate(&role, "id", &"s".repeat(100), &"l".repeat(100), 1);
        assert_eq!(long.len(), 64);
        assert!(long.starts_with("sssss") && long.contains("s-l"));
        let bucket = generate(&schema("AWS::S3::Bucket", 63, true), "id", "Stack", "Bucket", 1);
        assert_eq!(bucket, bucket.to_ascii_lowercase());
        let secret = generate(&schema("AWS::SecretsManager::Secret", 512, false), "id", "Stack", "Secret", 1);
        assert_eq!(secret.matches('-').count(), 1);
        assert!(generate(&schema("T", 5, false), "id", "Stack", "Secret", 1).len() <= 5);
    }
}
