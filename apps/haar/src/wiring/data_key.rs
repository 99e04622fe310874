//! The key that customers' secrets are sealed with: a file of its own in the data directory.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use haar_clock::IdSource;
use haar_kernel::DataKey;

/// The key's file. Without it, what was sealed cannot be read again.
const FILE: &str = "data.key";

/// Reads the key of a data directory; the first start makes it.
pub(crate) fn open(dir: &Path, ids: &IdSource) -> Result<DataKey, String> {
    let path = dir.join(FILE);
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    match fs::read(&path) {
        Ok(bytes) => {
            let key: [u8; DataKey::LEN] =
                bytes.try_into().map_err(|_| said(&"not a key of 32 bytes"))?;
            Ok(DataKey::new(&key))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut key = [0; DataKey::LEN];
            ids.fill(&mut key);
            write(dir, &path, &key).map_err(|error| said(&error))?;
            Ok(DataKey::new(&key))
        }
        Err(error) => Err(said(&error)),
    }
}

/// Writes the key whole or not at all; it is on disk before anything is sealed with it.
fn write(dir: &Path, path: &Path, key: &[u8]) -> std::io::Result<()> {
    let new = dir.join(format!("{FILE}.new"));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let ids = IdSource::system();
        let sealed = open(dir.path(), &ids).unwrap().seal(&ids.ids(), "x", b"secret");
        let again = open(dir.path(), &ids).unwrap();
        assert_eq!(again.open("x", &sealed).as_deref(), Some(b"secret".as_slice()));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(dir.path().join(FILE), b"short").unwrap();
        assert!(open(dir.path(), &ids).is_err());
    }
}
