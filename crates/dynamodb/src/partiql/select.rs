//! `SELECT`: pages of queries or of a scan.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::Call;
use cauce_store::RangeReq;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::access::Reach;
use super::plan::{self, Reads};
use super::statement::{ExecuteStatement, ExecuteStatementOutput, OPERATION, Prepared};
use super::syntax::Select;
use crate::capacity::{Kind, Spent, Wanted};
use crate::error::Error;
use crate::model::Table;
use crate::query::query_range;
use crate::read::{Page, Reader, Reading, Select as Selected, Source};
use crate::service::DynamoDb;
use crate::value::Item;

/// The version that a token says.
const TOKEN_VERSION: u8 = 1;

/// How much of a statement's digest a token carries, in bytes.
const DIGEST_BYTES: usize = 16;

/// Where a page ended: what `NextToken` says to whoever made it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Token {
    version: u8,
    /// Of the statement and its parameters.
    digest: Vec<u8>,
    /// The number of the part to go on with.
    part: usize,
    /// The last row of it that was read.
    last: Option<Item>,
}

impl Token {
    fn write(&self) -> Result<String, Error> {
        Ok(STANDARD.encode(serde_json::to_vec(self).map_err(cauce_core::ServiceError::internal)?))
    }

    fn read(text: &str, digest: &[u8]) -> Result<Token, Error> {
        let invalid = || Error::invalid("Invalid NextToken");
        let json = STANDARD.decode(text).map_err(|_| invalid())?;
        let token: Token = serde_json::from_slice(&json).map_err(|_| invalid())?;
        match token.digest == digest {
            _ if token.version != TOKEN_VERSION => Err(invalid()),
            true => Ok(token),
            false => Err(Error::invalid("NextToken does not match request")),
        }
    }
}

/// What tells one statement from another.
fn digest(prepared: &Prepared) -> Result<Vec<u8>, Error> {
    let parameters = serde_json::to_vec(&prepared.parameters).map_err(cauce_core::ServiceError::internal)?;
    let text = prepared.statement.to_string();
    let mut digest = Sha256::new();
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text);
    digest.update(parameters);
    Ok(digest.finalize().into_iter().take(DIGEST_BYTES).collect())
}

/// The pages of one answer.
#[derive(Default)]
struct Pages {
    items: Vec<Item>,
    scanned: usize,
    bytes: usize,
    spent: Spent,
    /// The part to go on with, and where in it.
    rest: Option<(usize, Option<Item>)>,
}

impl DynamoDb {
    pub(super) async fn select(
        &self,
        call: &Call,
        prepared: &Prepared,
        select: &Select,
        input: &ExecuteStatement,
        limit: Option<usize>,
        wanted: Wanted,
    ) -> Result<ExecuteStatementOutput, Error> {
        let consistent = input.consistent_read;
        let table = self.catalog.table(&self.db, &prepared.table_key).await;
        let reads = table.and_then(|table| {
            let reads = plan::reads(select, &prepared.parameters, &table, consistent)?;
            Ok((table, reads))
        });
        let reach = reads.as_ref().map_or_else(
            |_| Reach::unknown(),
            |(table, reads)| {
                let index = select.source.index.as_deref().and_then(|index| table.index(index));
                Reach::of_reads(reads, index.map_or(&table.key, |index| &index.key))
            },
        );
        self.may_run(call, prepared, &reach, None).await?;
        let (mut table, mut reads) = reads?;
        let digest = digest(prepared)?;
        let start = input.next_token.as_deref().map(|token| Token::read(token, &digest)).transpose()?;
        let start = start.map_or((0, None), |token| (token.part, token.last));
        let pages = loop {
            if let Some(pages) =
                self.pages(prepared, select, (&table, &reads), start.clone(), consistent, limit).await?
            {
                break pages;
            }
            table = self.catalog.table(&self.db, &prepared.table_key).await?;
            reads = plan::reads(select, &prepared.parameters, &table, consistent)?;
        };
        let token = |(part, last): (usize, Option<Item>)| {
            Token { version: TOKEN_VERSION, digest: digest.clone(), part, last }.write()
        };
        self.paged(&prepared.id, OPERATION, pages.items.len(), &pages.spent);
        Ok(ExecuteStatementOutput {
            items: pages.items,
            last_evaluated_key: pages.rest.as_ref().and_then(|(_, last)| last.clone()),
            next_token: pages.rest.map(token).transpose()?,
            consumed_capacity: pages.spent.tell(&prepared.id.name, wanted, Kind::Plain),
        })
    }

    /// Reads from `start` on; none if the table has changed.
    async fn pages(
        &self,
        prepared: &Prepared,
        select: &Select,
        (table, reads): (&Arc<Table>, &Reads),
        start: (usize, Option<Item>),
        consistent: Option<bool>,
        limit: Option<usize>,
    ) -> Result<Option<Pages>, Error> {
        let source = Source::of(&prepared.id, table, select.source.index.as_deref(), consistent)?;
        let count = reads.parts.as_ref().map_or(1, Vec::len);
        let mut pages = Pages::default();
        let (first, mut last) = start;
        for part in first..count {
            let selected = match (&reads.projection, source.index) {
                (Some(_), _) => Selected::Specific,
                (None, Some(_)) => Selected::Projected,
                (None, None) => Selected::All,
            };
            let reading = Reading {
                filter: reads.filter.clone(),
                projection: reads.projection.clone(),
                select: selected,
                limit: limit.map(|limit| limit.saturating_sub(pages.scanned)),
                consistent,
                capacity: Wanted::None,
            };
            let range = range(source, reads, part, last.take().as_ref())?;
            let Some(page) = self.page(source, range, &reading).await? else { return Ok(None) };
            let is_item = reads
                .parts
                .as_ref()
                .and_then(|parts| parts.get(part))
                .is_some_and(|part| part.is_item(source.key()) && source.index.is_none());
            if pages.take(page, part, is_item, count, limit) {
                break;
            }
        }
        Ok(Some(pages))
    }
}

impl Pages {
    /// Takes a page in; whether the answer ends with it.
    fn take(&mut self, page: Page, part: usize, is_item: bool, count: usize, limit: Option<usize>) -> bool {
        self.items.extend(page.items.unwrap_or_default());
        self.scanned += page.scanned_count;
        self.bytes += page.bytes;
        self.spent.add(&page.spent);
        if let Some(last) = page.last_evaluated_key.filter(|_| !is_item) {
            self.rest = Some((part, Some(last)));
            return true;
        }
        let full = limit.is_some_and(|limit| self.scanned >= limit) || self.bytes >= crate::read::PAGE_BYTES_MAX;
        if full && part + 1 < count {
            self.rest = Some((part + 1, None));
        }
        full
    }
}

/// The rows of a part.
fn range(source: Source<'_>, reads: &Reads, part: usize, last: Option<&Item>) -> Result<RangeReq, Error> {
    if let Some(part) = reads.parts.as_ref().and_then(|parts| parts.get(part)) {
        return query_range(source, part.condition(source.key()), last, reads.backward);
    }
    let mut range = RangeReq::new(source.rows().all(), 0);
    if let Some(last) = last {
        range = range.after(&source.start(last, Reader::Scan)?);
    }
    Ok(range)
}
