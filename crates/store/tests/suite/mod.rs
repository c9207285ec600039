//! What every engine must do, written once. An engine's test file says how to make one and calls `conformance!`.

pub(crate) mod commits;
pub(crate) mod concurrency;
pub(crate) mod reads;
pub(crate) mod transactions;

use std::sync::Arc;

use cauce_core::{ManualClock, Timestamp};
use cauce_store::{Bytes, Check, Commit, Db, Limits, Mutation, RangeReq, ReadReq, Row, Store, Version};

/// An engine under test.
pub(crate) struct Subject {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
    /// What lives as long as the engine: its directory.
    pub(crate) _keep: Option<tempfile::TempDir>,
}

/// Limits small enough to be reached.
pub(crate) fn small_limits() -> Limits {
    Limits {
        key_bytes_max: 64,
        value_bytes_max: 4_096,
        commit_ops_max: 200,
        commit_bytes_max: 16_384,
        clear_rows_max: 50,
        range_rows_max: 200,
        range_bytes_max: 2_000,
        read_ops_max: 100,
        ..Limits::default()
    }
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_secs(1_700_000_000))
}

impl Subject {
    pub(crate) fn db(&self) -> Db {
        Db::new(Arc::clone(&self.store))
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Row> {
        let req = ReadReq { gets: vec![bytes(key)], ranges: vec![] };
        self.store.read(req).await.unwrap().gets.remove(0)
    }

    pub(crate) async fn version(&self, key: &str) -> Version {
        self.get(key).await.map_or(Version::ABSENT, |row| row.version)
    }

    pub(crate) async fn set(&self, key: &str, val: &str) {
        self.store.commit(muts([set(key, val)])).await.unwrap();
    }

    /// Keys and values of a range, and whether there is more.
    pub(crate) async fn range(&self, req: RangeReq) -> (Vec<(String, String)>, bool) {
        let req = ReadReq { gets: vec![], ranges: vec![req] };
        let resp = self.store.read(req).await.unwrap().ranges.remove(0);
        (resp.rows.iter().map(|row| (text(&row.key), text(&row.val))).collect(), resp.more)
    }

    pub(crate) async fn all(&self) -> Vec<(String, String)> {
        let (rows, more) = self.range(range("!", "~", 200)).await;
        assert!(!more);
        rows
    }
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn set(key: &str, val: &str) -> Mutation {
    Mutation::Set { key: bytes(key), val: bytes(val) }
}

pub(crate) fn clear(key: &str) -> Mutation {
    Mutation::Clear { key: bytes(key) }
}

pub(crate) fn clear_range(start: &str, end: &str) -> Mutation {
    Mutation::ClearRange { start: bytes(start), end: bytes(end) }
}

pub(crate) fn add(key: &str, delta: i64) -> Mutation {
    Mutation::Add { key: bytes(key), delta }
}

pub(crate) fn muts(muts: impl IntoIterator<Item = Mutation>) -> Commit {
    Commit { muts: muts.into_iter().collect(), ..Commit::default() }
}

pub(crate) fn checked(check: Check, mutation: Mutation) -> Commit {
    Commit { checks: vec![check], muts: vec![mutation], ..Commit::default() }
}

pub(crate) fn range(start: &str, end: &str, limit: usize) -> RangeReq {
    RangeReq::new((bytes(start), bytes(end)), limit)
}

pub(crate) fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, val)| ((*key).to_owned(), (*val).to_owned())).collect()
}

/// Runs all cases on the engine that `$make` makes anew for each.
#[macro_export]
macro_rules! conformance {
    ($make:path; $($area:ident: $($case:ident)*;)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::suite::$area::$case($make()).await;
            }
        )*)*
    };
    ($make:path) => {
        $crate::conformance! { $make;
            commits: sets_and_clears mutations_apply_in_order clear_range_clears_its_range_only adds_count
                     a_failed_check_changes_nothing key_checks range_checks fences tokens rings limits
                     every_write_has_its_version;
            reads: gets_answer_in_order ranges_limit_and_page ranges_cut_off_by_bytes
                   ranges_stop_at_the_bytes_asked_for pages_of_transactions_stop_at_the_bytes_asked_for ranges_backwards
                   a_batch_is_one_snapshot views_stay_and_expire keys_are_ordered_bytewise;
            transactions: reads_its_own_writes merges_ranges conflicts_are_retried conflicts_run_out
                          an_error_changes_nothing errors_from_torn_reads_are_not_believed hooks_run_after_durability
                          snapshot_reads_do_not_conflict counters_do_not_conflict phantoms_are_conflicts
                          records_round_trip leases_fence_out_the_former_owner sequences_are_seen_in_order
                          a_commit_outlives_its_caller behaves_like_a_map;
            concurrency: counters_lose_nothing transfers_keep_the_sum write_skew_is_impossible queues_deliver_once
                         readers_never_see_half_a_commit reads_see_what_was_answered;
        }
    };
}
