//! The work of imports, in the background: one object after another, a part of it at a time.
//!
//! The transaction that puts items remembers up to which line they go. After a crash an object is read again from its beginning,
//! and the lines that were taken in are passed over.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ServiceError;
use cauce_store::RangeReq;
use flate2::write::MultiGzDecoder;

use crate::bucket::{Bucket, BucketError, element, encoded};
use crate::change::{By, Change, Changed, item_of};
use crate::error::Error;
use crate::import::{Import, ImportStatus};
use crate::import_read::{Format, LINE_BYTES_MAX, Lines, csv_fields, csv_item, json_item};
use crate::keys::{self, ImportId};
use crate::model::Table;
use crate::service::DynamoDb;
use crate::value::{Item, item_size_bytes};
use crate::work::{PAUSE, step_for_ever};

/// How many bytes of an object are read at once.
const PART_BYTES: u64 = 2 * 1024 * 1024;

/// How many compressed bytes are unpacked at once: a thousand times as much may come out.
const UNPACKED_BYTES: usize = 8 * 1024;

/// How many items one transaction puts.
const PUT_MAX: usize = 200;

/// After how many bytes of items a transaction ends: with one more item and the entries of all indexes they must fit one commit.
const PUT_BYTES_MAX: usize = 128 * 1024;

/// Why an import does not go on.
enum Stopped {
    Bucket(BucketError),
    Failed(Error),
}

impl From<BucketError> for Stopped {
    fn from(error: BucketError) -> Stopped {
        Stopped::Bucket(error)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Failed(error)
    }
}

/// Works for ever.
pub(crate) async fn run(service: Arc<DynamoDb>) {
    let service = &*service;
    step_for_ever(service, &service.imports, "an import", || service.import_some()).await;
}

/// An object that is being read.
struct Reading {
    import: Import,
    lines: Lines,
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    header: Option<Vec<String>>,
    /// The number of the next line.
    line: u64,
    items: Vec<Item>,
    bytes: usize,
}

impl Reading {
    fn of(import: Import) -> Reading {
        let header = match &import.format {
            Format::Csv { header, .. } => header.clone(),
            Format::Json => None,
        };
        let decoder = import.gzip.then(|| MultiGzDecoder::new(Vec::new()));
        Reading { import, lines: Lines::default(), decoder, header, line: 0, items: Vec::new(), bytes: 0 }
    }

    /// Unpacks some bytes.
    fn unpack(&mut self, packed: &[u8]) -> Result<Vec<u8>, BucketError> {
        let Some(decoder) = &mut self.decoder else { return Ok(packed.to_vec()) };
        decoder.write_all(packed).and_then(|()| decoder.flush()).map_err(not_packed)?;
        Ok(std::mem::take(decoder.get_mut()))
    }

    /// Unpacks what is left, behind the last bytes of an object that is not empty.
    fn unpack_rest(&mut self) -> Result<Vec<u8>, BucketError> {
        let Some(decoder) = &mut self.decoder else { return Ok(Vec::new()) };
        decoder.try_finish().map_err(not_packed)?;
        Ok(std::mem::take(decoder.get_mut()))
    }

    /// Takes a line in, unless that was done before the last start.
    fn take(&mut self, line: &[u8], table: &Table) {
        if let Format::Csv { delimiter, .. } = self.import.format
            && self.header.is_none()
        {
            self.header = csv_fields(line, delimiter).ok();
            return;
        }
        self.line += 1;
        if self.line <= self.import.lines {
            return;
        }
        self.import.lines = self.line;
        self.import.processed += 1;
        let header = self.header.as_deref().unwrap_or_default();
        let item = match self.import.format {
            Format::Json => json_item(line),
            Format::Csv { delimiter, .. } => {
                csv_fields(line, delimiter).and_then(|fields| csv_item(fields, header, &table.attributes))
            }
        };
        let checked = item.and_then(|item| {
            let put = Change { action: crate::change::Action::Put(Arc::new(item.clone())), condition: None };
            put.row_key(table).map(|_| item).map_err(|error| error.to_string())
        });
        match checked {
            Ok(item) => {
                self.bytes += item_size_bytes(&item);
                self.items.push(item);
            }
            Err(why) => {
                tracing::debug!(why, "a line is no item");
                self.import.errors += 1;
            }
        }
    }

    fn full(&self) -> bool {
        self.items.len() >= PUT_MAX || self.bytes >= PUT_BYTES_MAX
    }
}

fn not_packed(error: std::io::Error) -> BucketError {
    BucketError { code: "InvalidCompression".to_owned(), message: error.to_string(), passing: false }
}

impl DynamoDb {
    /// Goes on with the first import until its next object is read; whether there was any.
    async fn import_some(&self) -> Result<bool, Error> {
        let running = self.db.range(RangeReq::new(keys::running_imports(), 1)).await?.rows;
        let Some(row) = running.first() else { return Ok(false) };
        let Some(import) = self.db.get::<Import>(&row.val).await? else { return Ok(false) };
        let id = keys::read_import(&row.val).map_err(ServiceError::internal)?;
        match self.import_next(&row.val, &id, &import).await {
            Ok(()) => {}
            Err(Stopped::Failed(error)) => return Err(error),
            Err(Stopped::Bucket(why)) if why.passing => {
                tracing::warn!(why.message, "an import waits");
                self.env.sleep(PAUSE).await;
            }
            Err(Stopped::Bucket(why)) => {
                let status = ImportStatus::Failed { end: self.env.now(), code: why.code, message: why.message };
                self.end_import(&row.val, &import, status).await?;
            }
        }
        Ok(true)
    }

    /// Reads the next object, or ends the import behind the last one.
    async fn import_next(&self, key: &Bytes, id: &ImportId, import: &Import) -> Result<(), Stopped> {
        let bucket =
            Bucket { account: id.account, region: &id.region, principal: &import.principal, name: &import.bucket };
        let mut query = "?list-type=2&max-keys=1".to_owned();
        for (name, value) in [("prefix", &import.prefix), ("start-after", &import.after)] {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", encoded(value, false)));
            }
        }
        let listed = self.ask_bucket(&bucket, "GET", query, Vec::new(), Bytes::new()).await?;
        let Some(object) = element(&String::from_utf8_lossy(&listed.body), "Key") else {
            self.end_import(key, import, ImportStatus::Completed { end: self.env.now() }).await?;
            return Ok(());
        };
        let table = self.catalog.any(&self.db, &Bytes::from(import.table_key.clone())).await?;
        let mut reading = Reading::of(import.clone());
        let mut offset = 0;
        loop {
            let range = format!("bytes={offset}-{}", offset + PART_BYTES - 1);
            let headers = vec![("range".to_owned(), range)];
            let path = format!("/{}", encoded(&object, true));
            let part = match self.ask_bucket(&bucket, "GET", path, headers, Bytes::new()).await {
                Ok(answer) => answer.body,
                Err(why) if why.code == "S3InvalidRange" => Bytes::new(),
                Err(why) => return Err(why.into()),
            };
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            for packed in part.chunks(UNPACKED_BYTES) {
                let plain = reading.unpack(packed)?;
                self.take_lines(key, &table, &mut reading, &plain).await?;
            }
            offset += length;
            if length < PART_BYTES {
                break;
            }
        }
        if offset > 0 {
            let plain = reading.unpack_rest()?;
            self.take_lines(key, &table, &mut reading, &plain).await?;
        }
        let last = std::mem::take(&mut reading.lines).last();
        if let Some(line) = last {
            reading.take(&line, &table);
        }
        reading.import.bytes += offset;
        reading.import.after = Some(object);
        reading.import.lines = 0;
        self.put_read(key, &mut reading).await?;
        Ok(())
    }

    async fn take_lines(&self, key: &Bytes, table: &Table, reading: &mut Reading, plain: &[u8]) -> Result<(), Stopped> {
        let csv = matches!(reading.import.format, Format::Csv { .. });
        for line in reading.lines.take(plain, csv) {
            reading.take(&line, table);
            if reading.full() {
                self.put_read(key, reading).await?;
            }
        }
        if reading.lines.waiting() > LINE_BYTES_MAX {
            let message = format!("A line is longer than {LINE_BYTES_MAX} bytes");
            return Err(BucketError { code: "ItemValidationError".to_owned(), message, passing: false }.into());
        }
        Ok(())
    }

    /// Puts what has been read, and remembers how far that is.
    async fn put_read(&self, key: &Bytes, reading: &mut Reading) -> Result<(), Error> {
        let items = std::mem::take(&mut reading.items);
        reading.bytes = 0;
        reading.import.imported += u64::try_from(items.len()).unwrap_or(u64::MAX);
        let import = &reading.import;
        let table_key = Bytes::from(import.table_key.clone());
        self.db
            .transact(async |tx| {
                let Some(table) = tx.get_record::<Table>(&table_key).await? else { return Ok(()) };
                for item in &items {
                    let row_key = keys::item(table.number, &table.key.in_item(item)?);
                    let old = item_of(tx.get(&row_key).await?.as_ref())?;
                    let changed = Changed {
                        table: &table,
                        row_key: &row_key,
                        old: old.as_ref(),
                        new: Some(item),
                        by: By::Request,
                        at: self.moment(),
                    };
                    self.write(&tx, &changed).await?;
                }
                Ok::<_, Error>(tx.set_record(key.clone(), import)?)
            })
            .await
    }
}
