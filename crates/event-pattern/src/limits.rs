//! What a pattern may be at most, by name.

/// Characters of a pattern that EventBridge allows without a quota increase.
///
/// AWS: EventBridge User Guide, *Amazon EventBridge quotas*, "Event pattern size".
pub const PATTERN_CHARS_DEFAULT: usize = 2048;

/// Characters of a pattern that the `PutRule` API takes at most (and the quota can be raised to).
pub const PATTERN_CHARS_MAX: usize = 4096;

/// How deep an event may be nested. Jackson, which EventBridge reads events with, stops at the same depth.
pub const EVENT_DEPTH_MAX: u32 = 1000;

/// Bytes of the largest event that can be matched: offsets are kept in 32 bits.
pub const EVENT_BYTES_MAX: usize = 1 << 30;

/// Steps the array matching of one rule against one event may take before it gives up with an error. Matching needs about one
/// step for each field of the event, so only an event built to be slow gets here.
pub const ARRAY_STEPS_MAX: u32 = 5_000_000;

/// What to do with a field that a pattern constrains twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DuplicateFields {
    /// The later condition replaces the earlier one, as EventBridge does.
    #[default]
    LastWins,
    /// The pattern is refused, so that no condition disappears silently.
    Refuse,
}

/// The limits that [`crate::Pattern::parse_with`] enforces. The defaults are EventBridge's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Length of the pattern text, in UTF-16 units as AWS counts them.
    pub pattern_chars_max: usize,
    /// Nesting of the pattern.
    pub depth_max: usize,
    /// Combinations that all `$or` of the pattern multiply out to.
    ///
    /// AWS: EventBridge User Guide, *Comparison operators*, "Or matching" (1,000 combinations).
    pub branches_max: usize,
    /// Largest absolute value of a number in `numeric` and `anything-but`.
    ///
    /// AWS: EventBridge User Guide, *Comparison operators*, "Numeric matching" (-5.0e9 to 5.0e9).
    pub number_abs_max: u64,
    /// Significant digits of a number in `numeric` and `anything-but`. Up to 19 compare exactly.
    pub number_digits_max: u32,
    /// How many beginnings of one wildcard may match some text at the same time. AWS refuses such rules as too complex without
    /// documenting the bound; 10 accepts and refuses the published examples. Matching here is linear whatever the value.
    pub wildcard_complexity_max: usize,
    /// What happens to a field that is constrained twice.
    pub duplicate_fields: DuplicateFields,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pattern_chars_max: PATTERN_CHARS_DEFAULT,
            depth_max: 200,
            branches_max: 1000,
            number_abs_max: 5_000_000_000,
            number_digits_max: 17,
            wildcard_complexity_max: 10,
            duplicate_fields: DuplicateFields::LastWins,
        }
    }
}

impl Limits {
    /// The same limits with another length of the pattern text.
    #[must_use]
    pub fn with_pattern_chars_max(mut self, pattern_chars_max: usize) -> Self {
        self.pattern_chars_max = pattern_chars_max;
        self
    }

    /// The same limits with another treatment of fields that are constrained twice.
    #[must_use]
    pub fn with_duplicate_fields(mut self, duplicate_fields: DuplicateFields) -> Self {
        self.duplicate_fields = duplicate_fields;
        self
    }
}
