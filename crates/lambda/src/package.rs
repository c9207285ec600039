//! Function packages on disk: the zip as it was uploaded, and what was in it, each under the SHA-256 of the zip.
//!
//! Both are durable before [`PackageStore::add`] returns: written aside, synced, renamed, the folder synced. Extraction trusts
//! nothing: names that leave the folder, links that point out of it and archives that grow beyond the limit are refused.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Cursor, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::Entropy;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;
use zip::read::ZipFile;

/// The largest zip that may be uploaded in the request itself, in bytes. AWS: Lambda quotas, "Deployment package".
pub const ZIP_DIRECT_BYTES_MAX: usize = 50 * 1_024 * 1_024;

/// The largest zip from a bucket, and the most that a package may hold once unpacked, in bytes. AWS: the same.
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;

/// The most files, folders and links of a package.
pub const ENTRIES_MAX: usize = 100_000;

/// The longest link target, in bytes.
const LINK_BYTES_MAX: u64 = 4_096;

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It is no zip archive, or a damaged one.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again.")]
    NotZip,
    /// It holds nothing.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,
    /// It holds too much.
    #[error("Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")]
    TooLarge,
    /// It has too many entries.
    #[error("A deployment package has at most {ENTRIES_MAX} entries, this one has {0}")]
    Entries(usize),
    /// An entry would lie outside the package.
    #[error(
        "Could not unzip uploaded file. Entry '{0}' is outside of the package. Please check your file, then try to upload again."
    )]
    Outside(String),
    /// The disk refuses.
    #[error("the package cannot be written")]
    Io(#[from] io::Error),
}

/// What is known of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Hex of the zip's SHA-256: its name here.
    pub(crate) id: String,
    /// Base64 of the same: `CodeSha256`.
    pub(crate) code_sha256: String,
    /// The zip's size: `CodeSize`.
    pub(crate) zip_bytes: u64,
}

impl Package {
    /// Of these bytes, whether or not they are a package.
    pub(crate) fn of(zip: &[u8]) -> Package {
        let digest = Sha256::digest(zip);
        let zip_bytes = u64::try_from(zip.len()).unwrap_or(u64::MAX);
        Package { id: hex::encode(digest), code_sha256: STANDARD.encode(digest), zip_bytes }
    }
}

/// All packages of one server.
pub(crate) struct PackageStore {
    root: PathBuf,
    entropy: Arc<dyn Fn() -> u64 + Send + Sync>,
    pins: Mutex<Pins>,
}

/// What must not be collected.
#[derive(Default)]
struct Pins {
    /// Packages that operations are about to refer to.
    held: HashMap<String, usize>,
    /// Packages that were pinned since the last collection began to look who uses what: it may not have seen their users.
    recent: BTreeSet<String>,
}

impl Pins {
    fn has(&self, id: &str) -> bool {
        self.held.contains_key(id) || self.recent.contains(id)
    }
}

/// Keeps a package from being collected until the function that uses it is committed.
pub(crate) struct Pin<'a> {
    store: &'a PackageStore,
    id: String,
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let mut pins = self.store.pins.lock();
        if let Some(count) = pins.held.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                pins.held.remove(&self.id);
            }
        }
    }
}

impl PackageStore {
    /// The packages under `root`, which is made if missing. Leftovers of interrupted writes are removed.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn open(root: &Path, entropy: impl Fn() -> u64 + Send + Sync + 'static) -> io::Result<PackageStore> {
        let store = PackageStore { root: root.to_owned(), entropy: Arc::new(entropy), pins: Mutex::default() };
        fs::create_dir_all(store.task_roots())?;
        fs::create_dir_all(store.zips())?;
        let aside = store.aside();
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::create_dir_all(aside)?;
        Ok(store)
    }

    /// The folder under which every package is unpacked.
    pub(crate) fn task_roots(&self) -> PathBuf {
        self.root.join("code")
    }

    fn zips(&self) -> PathBuf {
        self.root.join("zip")
    }

    fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    /// Keeps package `id` from being collected as long as the pin lives.
    pub(crate) fn pin(&self, id: &str) -> Pin<'_> {
        let mut pins = self.pins.lock();
        *pins.held.entry(id.to_owned()).or_default() += 1;
        pins.recent.insert(id.to_owned());
        drop(pins);
        Pin { store: self, id: id.to_owned() }
    }

    /// Checks and stores a package; at once if it is there already.
    ///
    /// # Errors
    /// [`PackageError`].
    pub(crate) async fn add(self: &Arc<Self>, zip: Bytes) -> Result<Package, PackageError> {
        let store = Arc::clone(self);
        blocking(move || store.add_now(&zip)).await?
    }

    fn add_now(&self, zip: &Bytes) -> Result<Package, PackageError> {
        let package = Package::of(zip);
        let unpacked = self.task_roots().join(&package.id);
        let stored = self.zips().join(&package.id);
        if !unpacked.exists() {
            self.unpack(zip, &unpacked)?;
        }
        if !stored.exists() {
            let aside = self.aside().join(self.name());
            let mut file = File::create_new(&aside)?;
            file.write_all(zip)?;
            file.sync_all()?;
            fs::rename(&aside, &stored)?;
            sync_folder(&self.zips())?;
        }
        Ok(package)
    }

    /// The folder of an unpacked package; unpacks it again if it was lost.
    ///
    /// # Errors
    /// What the disk says; `NotFound` if there is no such package.
    pub(crate) async fn folder(self: &Arc<Self>, id: &str) -> io::Result<PathBuf> {
        let unpacked = self.task_roots().join(id);
        if unpacked.is_dir() {
            return Ok(unpacked);
        }
        let (store, id) = (Arc::clone(self), id.to_owned());
        blocking(move || {
            let zip = Bytes::from(fs::read(store.zips().join(&id))?);
            let unpacked = store.task_roots().join(id);
            store.unpack(&zip, &unpacked).map_err(io::Error::other)?;
            Ok(unpacked)
        })
        .await?
    }

    /// The zip as uploaded.
    ///
    /// # Errors
    /// What the disk says; `NotFound` if there is no such package.
    pub(crate) async fn zip(self: &Arc<Self>, id: &str) -> io::Result<Bytes> {
        // Ids come from paths too: anything but hex could name another file.
        if !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let path = self.zips().join(id);
        blocking(move || Ok(Bytes::from(fs::read(path)?))).await?
    }

    /// Comes before looking who uses what: what is pinned from now on survives the [`collect`](PackageStore::collect) that
    /// follows.
    pub(crate) fn begin_collection(&self) {
        self.pins.lock().recent.clear();
    }

    /// Removes every package that is neither in `used` nor pinned, nor was since the collection began.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) async fn collect(self: &Arc<Self>, used: BTreeSet<String>) -> io::Result<()> {
        let store = Arc::clone(self);
        blocking(move || {
            for entry in fs::read_dir(store.zips())? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let pins = store.pins.lock();
                if used.contains(&name) || pins.has(&name) {
                    continue;
                }
                // Moved away while the lock is held, so that a package that is just coming back is written anew.
                let (zip, folder) = (store.aside().join(store.name()), store.aside().join(store.name()));
                fs::rename(store.zips().join(&name), &zip)?;
                let had_folder = fs::rename(store.task_roots().join(&name), &folder).is_ok();
                drop(pins);
                fs::remove_file(zip)?;
                if had_folder {
                    fs::remove_dir_all(folder)?;
                }
            }
            Ok(())
        })
        .await?
    }

    fn name(&self) -> String {
        format!("{:016x}", (self.entropy)())
    }

    fn unpack(&self, zip: &Bytes, to: &Path) -> Result<(), PackageError> {
        let aside = self.aside().join(self.name());
        fs::create_dir(&aside)?;
        let unpacked = extract(zip, &aside).and_then(|()| match fs::rename(&aside, to) {
            // Another request unpacked the same package meanwhile.
            Err(_) if to.is_dir() => Ok(fs::remove_dir_all(&aside)?),
            done => Ok(done?),
        });
        if let Err(error) = unpacked {
            let _ = fs::remove_dir_all(&aside);
            return Err(error);
        }
        sync_folder(&self.task_roots())?;
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Unpacks `zip` into the empty folder `to` and syncs everything.
fn extract(zip: &Bytes, to: &Path) -> Result<(), PackageError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|_| PackageError::NotZip)?;
    match archive.len() {
        0 => return Err(PackageError::Empty),
        1..=ENTRIES_MAX => {}
        more => return Err(PackageError::Entries(more)),
    }
    let mut left = UNZIPPED_BYTES_MAX;
    let mut links = Vec::new();
    let mut folders = BTreeSet::from([to.to_owned()]);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|_| PackageError::NotZip)?;
        let name = entry.name().map_err(|_| PackageError::NotZip)?.into_owned();
        let Some(path) = inside(&name) else { return Err(PackageError::Outside(name)) };
        let path = to.join(path);
        let parent = if entry.is_dir() { path.as_path() } else { path.parent().unwrap_or(to) };
        fs::create_dir_all(parent).map_err(clash)?;
        folders.extend(parent.ancestors().take_while(|a| a.starts_with(to)).map(Path::to_owned));
        if entry.is_symlink() {
            links.push((name, path, link_target(&mut entry)?));
        } else if !entry.is_dir() {
            left = write_file(&mut entry, &path, left)?;
        }
    }
    // Links come last: nothing is ever written through one.
    for (name, path, target) in links {
        let depth = path.strip_prefix(to).map_or(0, |p| p.components().count().saturating_sub(1));
        if !stays_inside(&target, depth) {
            return Err(PackageError::Outside(name));
        }
        symlink(target, path).map_err(clash)?;
    }
    folders.iter().rev().try_for_each(|folder| sync_folder(folder))?;
    Ok(())
}

/// A file where another entry has a folder, or a name twice: not what a packer makes.
fn clash(cause: io::Error) -> PackageError {
    match cause.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            PackageError::NotZip
        }
        io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => PackageError::NotZip,
        _ => PackageError::Io(cause),
    }
}

/// The entry's path if it lies inside the package whatever the folder is.
fn inside(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!name.contains('\0')).then_some(clean)
}

/// Whether a link `depth` folders below the root points into the package. Steps up are allowed at the beginning only: behind
/// a name that is itself a link they would lead elsewhere.
fn stays_inside(target: &str, depth: usize) -> bool {
    let mut up = 0;
    let mut down = false;
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if !down => up += 1,
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    up <= depth && !target.is_empty() && !target.contains('\0')
}

fn link_target(entry: &mut ZipFile<'_, Cursor<&Bytes>>) -> Result<String, PackageError> {
    let mut target = String::new();
    entry.take(LINK_BYTES_MAX).read_to_string(&mut target).map_err(|_| PackageError::NotZip)?;
    Ok(target)
}

/// Writes one file and returns how much may still be written.
fn write_file(entry: &mut ZipFile<'_, Cursor<&Bytes>>, path: &Path, left: u64) -> Result<u64, PackageError> {
    let mode = entry.unix_mode().unwrap_or(0o644);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(clash)?;
    let mut chunk = [0; 64 * 1_024];
    let mut written = 0;
    loop {
        // The declared size is the archive's word; what comes out is what counts.
        let len = match entry.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(_) => return Err(PackageError::NotZip),
        };
        written += u64::try_from(len).unwrap_or(u64::MAX);
        if written > left {
            return Err(PackageError::TooLarge);
        }
        file.write_all(chunk.get(..len).unwrap_or_default())?;
    }
    // Readable by all, executable as packed, writable by nobody: code does not change.
    file.set_permissions(Permissions::from_mode((mode & 0o555) | 0o444))?;
    file.sync_all()?;
    Ok(left - written)
}

/// Draws the names of files that are written aside.
pub(crate) fn names_from(env: &cauce_core::Env) -> impl Fn() -> u64 + Send + Sync + 'static {
    let env = env.clone();
    move || Entropy::u64(env.entropy())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::{Cursor, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use std::path::{Component, Path};

    use super::{PackageError, PackageStore, inside, stays_inside};

    enum Entry {
        File(&'static str, u32, Vec<u8>),
        Link(&'static str, &'static str),
    }
    use Entry::{File, Link};

    fn zip(entries: Vec<Entry>) -> Bytes {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for entry in entries {
            match entry {
                File(name, mode, data) => {
                    writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
                    writer.write_all(&data).unwrap();
                }
                Link(name, target) => writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap(),
            }
        }
        writer.finish().unwrap().into_inner().into()
    }

    fn store() -> (tempfile::TempDir, Arc<PackageStore>) {
        let dir = tempfile::tempdir().unwrap();
        let names = AtomicU64::new(0);
        let store = PackageStore::open(dir.path(), move || names.fetch_add(1, Ordering::Relaxed)).unwrap();
        (dir, Arc::new(store))
    }

    #[tokio::test]
    async fn a_package_is_unpacked_with_its_modes() {
        let (_dir, store) = store();
        let zip = zip(vec![
            File("bootstrap", 0o777, b"#!/bin/sh\n".to_vec()),
            File("lib/data.txt", 0o600, b"x".to_vec()),
            Link("lib/again", "../bootstrap"),
        ]);
        let package = store.add(zip.clone()).await.unwrap();
        let folder = store.folder(&package.id).await.unwrap();
        let mode = |name: &str| std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bootstrap"), mode("lib/data.txt"), mode("lib/again")), (0o555, 0o444, 0o555));
        assert_eq!(store.zip(&package.id).await.unwrap(), zip);
        assert_eq!(store.add(zip).await.unwrap(), package);
        // Lost on disk, it comes back from the zip.
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(store.folder(&package.id).await.unwrap().join("lib/data.txt").exists());
        assert!(store.zip("../code").await.is_err());
    }

    #[tokio::test]
    async fn what_is_not_a_package_is_refused() {
        async fn check(zip: Bytes) -> PackageError {
            let (dir, store) = store();
            let error = store.add(zip).await.unwrap_err();
            let left = |name: &str| std::fs::read_dir(dir.path().join(name)).unwrap().count();
            assert_eq!((left("aside"), left("code"), left("zip")), (0, 0, 0), "nothing stays behind");
            error
        }
        let file = |name| zip(vec![File(name, 0o644, b"x".to_vec())]);
        assert!(matches!(check(Bytes::from_static(b"no zip")).await, PackageError::NotZip));
        assert!(matches!(check(zip(vec![])).await, PackageError::Empty));
        assert!(matches!(check(file("../evil")).await, PackageError::Outside(_)));
        assert!(matches!(check(file("/etc/evil")).await, PackageError::Outside(_)));
        assert!(matches!(check(file("a/../../evil")).await, PackageError::Outside(_)));
        assert!(matches!(check(zip(vec![Link("l", "/etc/passwd")])).await, PackageError::Outside(_)));
        assert!(matches!(check(zip(vec![Link("a/l", "../../x")])).await, PackageError::Outside(_)));
        let through = zip(vec![Link("d", "."), File("d/x", 0o644, vec![])]);
        assert!(matches!(check(through).await, PackageError::NotZip));
        let mut torn = file("a").to_vec();
        torn.truncate(torn.len() - 30);
        assert!(matches!(check(torn.into()).await, PackageError::NotZip));
    }

    #[tokio::test]
    async fn a_bomb_is_stopped_at_the_limit() {
        let (_dir, store) = store();
        let half = vec![0; 150_000_000];
        let bomb = zip(vec![File("a", 0o644, half.clone()), File("b", 0o644, half)]);
        assert!(bomb.len() < 1_000_000);
        assert!(matches!(store.add(bomb).await, Err(PackageError::TooLarge)));
    }

    #[tokio::test]
    async fn only_unused_packages_are_collected() {
        let (_dir, store) = store();
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(store.add(zip(vec![File(name, 0o644, vec![])])).await.unwrap().id);
        }
        let pin = store.pin(&ids[1]);
        store.begin_collection();
        store.collect(BTreeSet::from([ids[0].clone()])).await.unwrap();
        assert!(store.folder(&ids[0]).await.is_ok());
        assert!(store.folder(&ids[1]).await.is_ok());
        assert!(store.folder(&ids[2]).await.is_err());
        store.begin_collection();
        drop(store.pin(&ids[0]));
        drop(pin);
        store.collect(BTreeSet::new()).await.unwrap();
        assert!(store.zip(&ids[0]).await.is_ok(), "pinned after the collection began");
        assert!(store.zip(&ids[1]).await.is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_name_leads_out_of_the_package(name in "(\\.\\./|\\./|/|a/|b|\\.\\.|\\\\|é){0,8}", depth in 0_usize..4) {
            // What a file system would make of the joined path.
            let resolve = |from: usize, path: &Path| {
                let mut level = i64::try_from(from).unwrap();
                for part in path.components() {
                    level += match part {
                        Component::ParentDir => -1,
                        Component::Normal(_) => 1,
                        Component::CurDir => 0,
                        Component::RootDir | Component::Prefix(_) => i64::MIN / 2,
                    };
                    if level < 0 {
                        return false;
                    }
                }
                true
            };
            if let Some(path) = inside(&name) {
                proptest::prop_assert!(path.is_relative() && resolve(0, &path));
            }
            if stays_inside(&name, depth) {
                proptest::prop_assert!(resolve(depth, Path::new(&name)));
            }
        }
    }

    #[test]
    fn links_stay_inside() {
        let check =
            |target: &str, depth: usize, expect: bool| assert_eq!(stays_inside(target, depth), expect, "{target}");
        check("x", 0, true);
        check("../x", 1, true);
        check("../x", 0, false);
        check("a/../x", 5, false);
        check("/x", 5, false);
        check("", 5, false);
    }
}
