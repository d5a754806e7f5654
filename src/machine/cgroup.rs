//! The limits of the process's cgroups, version 2 and 1 (cgroups(7)).
//!
//! A limit may be set on any level from the process's own cgroup up to the root, and the lowest one holds. Inside a
//! container the levels above are not visible, and /proc may give the path on the host. So missing levels are skipped,
//! and the root is the container's own.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use procfs::ProcessCGroups;
use procfs::process::Process;

/// The cgroups of a process.
#[derive(Debug)]
pub(super) struct Cgroups {
    /// Where the hierarchies are mounted.
    root: PathBuf,
    memberships: ProcessCGroups,
}

/// The two versions have other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Cgroups {
    /// None where there is no /proc.
    pub(super) fn of_this_process() -> Option<Self> {
        let memberships = Process::myself().and_then(|process| process.cgroups()).ok()?;
        Some(Self { root: PathBuf::from("/sys/fs/cgroup"), memberships })
    }

    /// The least memory limit, in bytes.
    pub(super) fn memory_limit_bytes(&self) -> Option<u64> {
        self.limits("memory", |version, level| match version {
            Version::One => number(&level.join("memory.limit_in_bytes")),
            // `max` is no number: no limit.
            Version::Two => number(&level.join("memory.max")),
        })
        .min()
    }

    /// The least CPU quota, in cores.
    pub(super) fn cpu_quota_cores(&self) -> Option<f64> {
        self.limits("cpu", |version, level| {
            let (quota, period): (i64, i64) = match version {
                // -1: no limit.
                Version::One => (
                    number(&level.join("cpu.cfs_quota_us")).filter(|quota| *quota > 0)?,
                    number(&level.join("cpu.cfs_period_us"))?,
                ),
                Version::Two => {
                    let text = std::fs::read_to_string(level.join("cpu.max")).ok()?;
                    let (quota, period) = text.trim().split_once(' ')?;
                    (quota.parse().ok()?, period.parse().ok()?)
                }
            };
            (period > 0).then(|| quota as f64 / period as f64)
        })
        .min_by(f64::total_cmp)
    }

    /// What `read` finds on each level of the hierarchies that have the controller.
    fn limits<'a, T>(
        &'a self,
        controller: &'a str,
        read: impl Fn(Version, &Path) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        let hierarchies = self.memberships.0.iter().filter_map(move |membership| {
            let path = Path::new(membership.pathname.trim_start_matches('/'));
            if membership.hierarchy == 0 {
                return Some((Version::Two, self.root.clone(), path));
            }
            let has_it = membership.controllers.iter().any(|name| name == controller);
            has_it.then(|| (Version::One, self.root.join(controller), path))
        });
        hierarchies
            .flat_map(|(version, root, path)| {
                path.ancestors().map(move |path| (version, root.join(path)))
            })
            .filter_map(move |(version, level)| read(version, &level))
    }
}

fn number<T: FromStr>(path: &Path) -> Option<T> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;
    use tempfile::TempDir;

    use super::*;

    /// A hierarchy with these files, and a process with this /proc/PID/cgroup.
    fn cgroups(files: &[(&str, &str)], memberships: &str) -> (TempDir, Cgroups) {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let memberships = ProcessCGroups::from_read(memberships.as_bytes()).unwrap();
        let cgroups = Cgroups { root: root.path().to_owned(), memberships };
        (root, cgroups)
    }

    fn limits(files: &[(&str, &str)], memberships: &str) -> (Option<u64>, Option<f64>) {
        let (_root, cgroups) = cgroups(files, memberships);
        (cgroups.memory_limit_bytes(), cgroups.cpu_quota_cores())
    }

    #[test]
    fn a_container_of_version_2_is_its_own_root() {
        let files = [("memory.max", "268435456\n"), ("cpu.max", "50000 100000\n")];
        assert_eq!(limits(&files, "0::/\n"), (Some(256 << 20), Some(0.5)));
    }

    #[test]
    fn the_least_limit_of_all_levels_holds() {
        let files = [
            ("a/b/memory.max", "max\n"),
            ("a/b/cpu.max", "300000 100000\n"),
            ("a/memory.max", "1000000\n"),
            ("a/cpu.max", "150000 100000\n"),
            ("memory.max", "2000000\n"),
        ];
        assert_eq!(limits(&files, "0::/a/b\n"), (Some(1_000_000), Some(1.5)));
    }

    #[test]
    fn a_container_of_version_1_is_named_by_its_path_on_the_host() {
        let files = [
            ("memory/memory.limit_in_bytes", "536870912\n"),
            ("cpu/cpu.cfs_quota_us", "200000\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
        ];
        let memberships = "9:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n1:name=x:/\n";
        assert_eq!(limits(&files, memberships), (Some(512 << 20), Some(2.0)));
    }

    #[test]
    fn no_limit_is_none() {
        let files = [
            ("memory.max", "max\n"),
            ("cpu.max", "max 100000\n"),
            ("cpu/cpu.cfs_quota_us", "-1\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(limits(&files, "4:cpu:/\n0::/\n"), (None, None));
        assert_eq!(limits(&[], "0::/gone\n"), (None, None));
    }
}
