//! Reads the small text files that stand beside a model.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads all of `path` as UTF-8, without a leading byte order mark.
///
/// # Errors
/// Those of opening and reading; [`io::ErrorKind::FileTooLarge`] past `max_bytes`;
/// [`io::ErrorKind::InvalidData`] when it is no UTF-8.
pub(super) fn read(path: &Path, max_bytes: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(max_bytes + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file has more than {max_bytes} bytes"),
        ));
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
