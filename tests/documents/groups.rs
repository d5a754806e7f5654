//! Holds `models/groups.txt` to WordNet, where Debian's package `wordnet-base` is installed.

use std::path::Path;
use std::process::Command;

#[test]
fn the_groups_are_wordnets() {
    if !Path::new("/usr/share/wordnet/data.noun").exists() {
        eprintln!("left out: it needs the package wordnet-base");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/make_groups.py");
    let made = Command::new("python3").arg(script).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(
        made.stdout == crate::markdown::read("models/groups.txt").into_bytes(),
        "make it again"
    );
}
