//! What the machine gives, within the container's limits: cores, memory, file descriptors.

mod cgroup;
mod memory;

pub use memory::{MemoryBudget, give_back_freed_memory, resident_bytes};

use cgroup::Cgroups;
use procfs::{Current, Meminfo};

/// What there is at the start.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Cores that the process may use: the affinity mask and the cgroup's CPU quota, rounded down, at
    /// least 1.
    pub cores: usize,
    /// The CPU quota in cores, where there is one: 0.5 is half of one.
    pub cpu_quota_cores: Option<f64>,
    /// The cgroup's memory limit, else the machine's memory, in bytes.
    pub memory_limit_bytes: Option<u64>,
}

impl Machine {
    /// Asks the system.
    pub fn of_this_process() -> Self {
        let cgroups = Cgroups::of_this_process();
        let memory = Meminfo::current().ok().map(|memory| memory.mem_total);
        let limit = cgroups.as_ref().and_then(Cgroups::memory_limit_bytes);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu_quota_cores: cgroups.as_ref().and_then(Cgroups::cpu_quota_cores),
            memory_limit_bytes: limit.into_iter().chain(memory).min(),
        }
    }

    /// Connections at once: each takes memory, the more the more it sends.
    pub fn connections(&self) -> usize {
        const MOST: u64 = 8192;
        // At most MOST.
        self.memory_limit_bytes.map_or(MOST, |limit| (limit / (512 << 10)).clamp(64, MOST)) as usize
    }
}

/// Raises the limit of open files to what is allowed; returns it.
pub fn raise_open_files() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0)
}
