//! Where downloads are kept.

use std::ffi::OsString;
use std::path::PathBuf;

/// The user's cache folder for this program; `None` when the environment names no place for one.
///
/// `variable` looks a variable of the environment up. `XDG_CACHE_HOME` when it is an absolute path (XDG Base Directory
/// Specification), otherwise `~/.cache`; in it, the folder `googlenet`.
pub fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("googlenet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(environment: &[(&str, &str)]) -> Option<PathBuf> {
        cache_folder(|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn follows_the_xdg_rules() {
        let home = ("HOME", "/home/ada");
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "/c")]), expected("/c/googlenet"));
        assert_eq!(folder(&[home]), expected("/home/ada/.cache/googlenet"));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "c")]), folder(&[home]));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "")]), folder(&[home]));
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&[("HOME", "")]), None);
    }
}
