//! What the machine, or the container's limits, give: cores, memory, file descriptors.

mod cgroup;
mod memory;

pub use memory::{MemoryBudget, resident_bytes};

use cgroup::Cgroups;
use procfs::{Current, Meminfo};

/// Cores that the process may use: the affinity mask and the cgroup's CPU quota, rounded down, at
/// least 1.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The CPU quota in cores, where there is one: 0.5 is half of one.
pub fn cpu_quota_cores() -> Option<f64> {
    Cgroups::of_this_process()?.cpu_quota_cores()
}

/// The cgroup's memory limit, else the machine's memory, in bytes.
pub fn memory_limit_bytes() -> Option<u64> {
    let cgroup = Cgroups::of_this_process().and_then(|cgroups| cgroups.memory_limit_bytes());
    let machine = Meminfo::current().ok().map(|memory| memory.mem_total);
    cgroup.into_iter().chain(machine).min()
}

/// Connections at once: each takes memory, the more the more it sends.
pub fn connections(memory_limit: Option<u64>) -> usize {
    const MOST: u64 = 8192;
    // At most MOST.
    memory_limit.map_or(MOST, |limit| (limit / (512 << 10)).clamp(64, MOST)) as usize
}

/// Raises the limit of open files to what is allowed; returns it.
pub fn raise_open_files() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0)
}
