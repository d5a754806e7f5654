//! How much of the memory limit remains for images once the model is loaded.

use googlenet_kernels::freed_memory;
use procfs::process::Process;

const MIB: u64 = 1 << 20;

/// Gives memory that was freed back to the system: what a load took for a while is not counted as memory that stays.
pub fn give_back_freed_memory() {
    freed_memory::give_back();
}

/// Anonymous memory that the process holds now, in bytes; pages of files are not counted, for the system
/// takes them back when it needs to.
pub fn resident_bytes() -> u64 {
    let status = Process::myself().and_then(|process| process.status());
    status.ok().and_then(|status| status.rssanon).unwrap_or(0) * 1024
}

/// Who may take how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// The bodies of all requests together.
    pub body_bytes: u64,
    /// All answers together that their clients have yet to take.
    pub answer_bytes: u64,
    /// All images together, from their decoding to their answer.
    pub decode_bytes: u64,
}

impl MemoryBudget {
    /// More of either only helps to run out of it elsewhere.
    const MOST: u64 = 1 << 30;
    /// With less, hardly a photo can be decoded.
    const LEAST_DECODE: u64 = 8 * MIB;

    /// Splits what `limit` leaves beside what is `resident`: three eighths for bodies, but at least
    /// `one_body`, a quarter of that for answers, the rest for decoding.
    ///
    /// A part is held back, for connections, stacks, the system's own buffers, and what the allocator
    /// cannot give back.
    pub fn new(limit: Option<u64>, resident: u64, one_body: u64) -> Self {
        let spare = limit
            .map_or(2 * Self::MOST, |limit| limit.saturating_sub(resident + Self::reserve(limit)));
        let body_bytes = (spare / 8 * 3).min(Self::MOST).max(one_body);
        let answer_bytes = Self::answer_bytes(body_bytes);
        let decode_bytes = spare.saturating_sub(body_bytes + answer_bytes);
        let decode_bytes = decode_bytes.clamp(Self::LEAST_DECODE, Self::MOST);
        Self { body_bytes, answer_bytes, decode_bytes }
    }

    /// What answers may take beside the bodies of requests: most are small, and clients take them at once.
    pub fn answer_bytes(body_bytes: u64) -> u64 {
        body_bytes / 4
    }

    /// Whether all parts, what is resident and the reserve go into `limit`.
    pub fn fits(&self, limit: Option<u64>, resident: u64) -> bool {
        limit.is_none_or(|limit| {
            let parts = self.body_bytes + self.answer_bytes + self.decode_bytes;
            resident + parts + Self::reserve(limit) <= limit
        })
    }

    fn reserve(limit: u64) -> u64 {
        16 * MIB + limit / 16
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_resident_is_seen() {
        assert!(resident_bytes() > MIB / 4);
    }

    #[test]
    fn a_large_machine_gives_no_more_than_helps() {
        let budget = MemoryBudget::new(Some(64 << 30), 150 * MIB, 40 * MIB);
        let decode_bytes = 1 << 30;
        assert_eq!(
            budget,
            MemoryBudget { body_bytes: 1 << 30, answer_bytes: 256 * MIB, decode_bytes }
        );
        assert_eq!(
            MemoryBudget::new(None, 150 * MIB, 40 * MIB),
            MemoryBudget { body_bytes: 768 * MIB, answer_bytes: 192 * MIB, decode_bytes }
        );
    }

    #[test]
    fn a_limit_that_is_too_low_still_gives_the_least_and_is_told() {
        let budget = MemoryBudget::new(Some(100 * MIB), 150 * MIB, 40 * MIB);
        let (body_bytes, answer_bytes) = (40 * MIB, 10 * MIB);
        assert_eq!(budget, MemoryBudget { body_bytes, answer_bytes, decode_bytes: 8 * MIB });
        assert!(!budget.fits(Some(100 * MIB), 150 * MIB));
    }

    proptest! {
        #[test]
        fn what_is_given_is_there(limit in 220_u64..100_000, resident in 50_u64..130) {
            let (limit, resident) = (Some(limit * MIB), resident * MIB);
            let budget = MemoryBudget::new(limit, resident, 40 * MIB);
            prop_assert!(budget.fits(limit, resident), "{budget:?}");
            prop_assert!(budget.body_bytes >= 40 * MIB);
        }
    }
}
