//! What the machine, or the container's limits, give: cores, memory, file descriptors.

use std::fs;

/// Cores that the process may use: the affinity mask and the cgroup's CPU quota, rounded down, at
/// least 1.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The cgroup's memory limit (version 2, then 1), else the machine's memory, in bytes.
pub fn memory_limit_bytes() -> Option<u64> {
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
    match (cgroup, machine) {
        (Some(cgroup), Some(machine)) => Some(u64::min(cgroup, machine)),
        (cgroup, machine) => cgroup.or(machine),
    }
}

/// `MemTotal` of /proc/meminfo.
fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What images that are being decoded may take together: a third of the memory, at most 1 GiB.
pub fn decode_memory_bytes(memory_limit: Option<u64>) -> u64 {
    const MOST: u64 = 1 << 30;
    memory_limit.map_or(MOST / 2, |limit| (limit / 3).clamp(1 << 20, MOST))
}

/// What the bodies of all requests may take together: an eighth of the memory, at most 1 GiB.
pub fn body_memory_bytes(memory_limit: Option<u64>) -> u64 {
    const MOST: u64 = 1 << 30;
    memory_limit.map_or(MOST / 2, |limit| (limit / 8).min(MOST))
}

/// Raises the limit of open files to what is allowed; returns it.
pub fn raise_open_files() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory() {
        assert_eq!(total_bytes("MemTotal:       1024 kB\nMemFree: 5 kB\n"), Some(1 << 20));
        assert_eq!(total_bytes("MemFree: 5 kB\n"), None);
        assert_eq!(decode_memory_bytes(Some(3 << 20)), 1 << 20);
        assert_eq!(decode_memory_bytes(Some(300 << 20)), 100 << 20);
        assert_eq!(decode_memory_bytes(Some(1 << 40)), 1 << 30);
    }
}
