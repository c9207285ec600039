//! When to try again, and when to give up: pure decisions.

use std::time::Duration;

use cauce_core::{Arn, Entropy, Timestamp};
use serde::{Deserialize, Serialize};

/// How long and how often a target is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many times a failed attempt is repeated, at most. The first attempt does not count.
    pub retries_max: u32,
    /// How old the effect may become before it is given up, in milliseconds.
    pub age_max_ms: u64,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// Where the effect goes when it is given up; without one it is kept among the engine's own dead letters.
    pub dead_letter: Option<Arn>,
}

/// How long to wait before the next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backoff {
    /// Doubles from the first wait up to the last, each wait drawn from its upper half.
    Exponential {
        /// The wait after the first failure, in milliseconds.
        first_ms: u64,
        /// The longest wait, in milliseconds.
        last_ms: u64,
    },
    /// These waits, in milliseconds, the last one repeated.
    Fixed(Vec<u64>),
}

impl Policy {
    /// What EventBridge does unless a target says otherwise: 185 retries within 24 hours.
    ///
    /// The last wait is chosen so that 185 retries fill the 24 hours. AWS: EventBridge User Guide, "How EventBridge retries
    /// delivering events".
    pub fn eventbridge() -> Policy {
        Policy {
            retries_max: 185,
            age_max_ms: 24 * 60 * 60 * 1_000,
            backoff: Backoff::Exponential { first_ms: 1_000, last_ms: 480_000 },
            dead_letter: None,
        }
    }

    /// What Lambda does with an asynchronous invocation unless the function says otherwise: 2 retries, one and two minutes
    /// later, within 6 hours. AWS: Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation".
    pub fn asynchronous_invocation() -> Policy {
        Policy {
            retries_max: 2,
            age_max_ms: 6 * 60 * 60 * 1_000,
            backoff: Backoff::Fixed(vec![60_000, 120_000]),
            dead_letter: None,
        }
    }
}

impl Backoff {
    /// The wait, in milliseconds, after `failures` failed attempts (at least one).
    pub fn wait_ms(&self, failures: u32, entropy: &dyn Entropy) -> u64 {
        match self {
            Backoff::Exponential { first_ms, last_ms } => {
                let doublings = failures.saturating_sub(1).min(40);
                let full = first_ms.saturating_mul(1_u64 << doublings).min(*last_ms);
                // Half fixed, half drawn: consumers that failed together do not come back together.
                full / 2 + entropy.below(full / 2 + 1)
            }
            Backoff::Fixed(waits) => {
                let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
                waits.get(index).or(waits.last()).copied().unwrap_or(0)
            }
        }
    }
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The target has it.
    Done {
        /// What the lineage shows, for example the invocation's request id.
        detail: String,
    },
    /// It failed and may succeed later.
    Retry {
        /// A short machine-readable code, for example `Unhandled`.
        code: String,
        /// The reason, for people.
        reason: String,
        /// Whether it counts against [`Policy::retries_max`]; being throttled does not.
        counts: bool,
    },
    /// It can never succeed.
    Fail {
        /// A short machine-readable code, for example `NO_RESOURCE`.
        code: String,
        /// The reason, for people.
        reason: String,
    },
}

/// What to do after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more.
    Settled,
    /// Try again then.
    RetryAt(Timestamp),
    /// Give it up, for this reason.
    GiveUp(GivenUp),
}

/// Why an effect was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GivenUp {
    /// As many retries as the policy allows have failed.
    RetriesExhausted,
    /// It became older than the policy allows.
    AgeExceeded,
    /// The target said that it can never succeed.
    Refused,
}

/// Being throttled is waited out on this schedule whatever the policy's own is.
const THROTTLED: Backoff = Backoff::Exponential { first_ms: 1_000, last_ms: 300_000 };

/// How often an effect has failed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Attempts that count against the policy.
    pub counted: u32,
    /// Attempts that were throttled since the last that counted.
    pub throttled: u32,
}

/// Decides what follows an attempt that ended in `outcome`, for an effect born at `born` that has failed as `failures` says,
/// this attempt included.
pub fn decide(
    policy: &Policy,
    outcome: &Outcome,
    failures: Failures,
    born: Timestamp,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Next {
    let counts = match outcome {
        Outcome::Done { .. } => return Next::Settled,
        Outcome::Fail { .. } => return Next::GiveUp(GivenUp::Refused),
        Outcome::Retry { counts, .. } => *counts,
    };
    if failures.counted > policy.retries_max {
        return Next::GiveUp(GivenUp::RetriesExhausted);
    }
    let end = born + Duration::from_millis(policy.age_max_ms);
    if now >= end {
        return Next::GiveUp(GivenUp::AgeExceeded);
    }
    let wait_ms = if counts {
        policy.backoff.wait_ms(failures.counted, entropy)
    } else {
        THROTTLED.wait_ms(failures.throttled, entropy)
    };
    // An attempt at the very end of its life beats giving up early.
    Next::RetryAt((now + Duration::from_millis(wait_ms)).min(end))
}

#[cfg(test)]
mod tests {
    use cauce_core::{SeededEntropy, Timestamp};

    use super::{Failures, GivenUp, Next, Outcome, Policy, decide};

    fn failed(counts: bool) -> Outcome {
        Outcome::Retry { code: "X".into(), reason: "x".into(), counts }
    }

    fn check(policy: &Policy, outcome: &Outcome, failures: (u32, u32), age_ms: i64) -> Next {
        let failures = Failures { counted: failures.0, throttled: failures.1 };
        decide(policy, outcome, failures, Timestamp::EPOCH, Timestamp::from_millis(age_ms), &SeededEntropy::new(3))
    }

    #[test]
    fn an_asynchronous_invocation_is_repeated_after_one_and_two_minutes() {
        let policy = Policy::asynchronous_invocation();
        assert_eq!(check(&policy, &failed(true), (1, 0), 0), Next::RetryAt(Timestamp::from_secs(60)));
        assert_eq!(check(&policy, &failed(true), (2, 0), 60_000), Next::RetryAt(Timestamp::from_secs(180)));
        assert_eq!(check(&policy, &failed(true), (3, 0), 180_000), Next::GiveUp(GivenUp::RetriesExhausted));
    }

    #[test]
    fn throttling_is_waited_out_until_the_age_ends_it() {
        let policy = Policy::asynchronous_invocation();
        let six_hours = 6 * 3_600_000;
        assert!(
            matches!(check(&policy, &failed(false), (0, 500), six_hours - 1), Next::RetryAt(at) if at.as_millis() == six_hours)
        );
        assert_eq!(check(&policy, &failed(false), (0, 501), six_hours), Next::GiveUp(GivenUp::AgeExceeded));
    }

    #[test]
    fn eventbridge_fills_its_day() {
        let (policy, entropy) = (Policy::eventbridge(), SeededEntropy::new(9));
        let mut now = Timestamp::EPOCH;
        let mut failures = Failures::default();
        let why = loop {
            failures.counted += 1;
            match decide(&policy, &failed(true), failures, Timestamp::EPOCH, now, &entropy) {
                Next::RetryAt(at) => now = at,
                Next::GiveUp(why) => break why,
                Next::Settled => unreachable!("a failure never settles"),
            }
        };
        assert_eq!((why, failures.counted), (GivenUp::RetriesExhausted, 186));
        assert!(now.as_secs() > 12 * 3600 && now.as_secs() <= 24 * 3600, "{now}");
    }

    #[test]
    fn what_is_done_is_done_and_what_cannot_succeed_is_given_up() {
        let policy = Policy::eventbridge();
        assert_eq!(check(&policy, &Outcome::Done { detail: String::new() }, (0, 0), 0), Next::Settled);
        let never = Outcome::Fail { code: "NO_RESOURCE".into(), reason: "gone".into() };
        assert_eq!(check(&policy, &never, (1, 0), 0), Next::GiveUp(GivenUp::Refused));
    }
}
