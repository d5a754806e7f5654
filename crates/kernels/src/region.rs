//! Memory for what is made once and read for every image: packed weights, side by side in huge pages, in the order in
//! which they were packed.
//!
//! Each image reads all of them, and in pages of 4 KiB the processor looks up where they lie again and again: the
//! network takes some 5 % longer. Huge pages for everything would cost more memory than the weights take.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::{self, NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A cache line.
const LINE: usize = 64;
/// A huge page of x86-64.
const PAGE: usize = 2 << 20;
/// Addresses that are asked for at once; memory is there for those alone that are written to.
const REGION: usize = 64 << 20;

/// Bytes at the begin of a cache line, until it is dropped.
pub(super) struct Place {
    first: NonNull<u8>,
    bytes: usize,
    /// Keeps them mapped.
    _region: Arc<Region>,
}

// SAFETY: it is the only one that has these bytes, as a box would.
unsafe impl Send for Place {}
// SAFETY: as above; shared, it only gives a pointer.
unsafe impl Sync for Place {}

impl Place {
    pub(super) fn first(&self) -> *mut u8 {
        self.first.as_ptr()
    }

    /// Whole lines.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

static OPEN: Mutex<Open> = Mutex::new(Open { region: Weak::new(), used: 0 });

/// A place for `bytes`, all zero, behind the last one.
pub(super) fn place(bytes: usize) -> Place {
    let bytes = bytes.next_multiple_of(LINE);
    let mut open = open();
    let region = open.with_room_for(bytes);
    // SAFETY: the region has as many bytes behind those that are used.
    let first = unsafe { region.first.add(open.used) };
    open.used += bytes;
    Place { first, bytes, _region: region }
}

/// Memory that the system has cleared for weights to come. Dropped, it gives back what they did not take.
pub struct Ready {
    region: Arc<Region>,
    end: usize,
}

impl Ready {
    /// Has the system clear the next `bytes`, at most 64 MiB. That takes as long as packing weights does: on a thread of its
    /// own, it is done while a model is read. Where the system cannot do it (Linux before 5.14, others), it clears pages when
    /// they are first written to, as ever.
    pub fn clear(bytes: usize) -> Self {
        let (region, used) = {
            let mut open = open();
            let region = open.with_room_for(bytes.min(REGION));
            (region, open.used)
        };
        let end = region.bytes.min(used + bytes);
        // SAFETY: these bytes are mapped, and nothing in them is changed.
        #[cfg(target_os = "linux")]
        let _ = unsafe {
            let first = region.first.add(used / PAGE * PAGE).as_ptr();
            libc::madvise(first.cast(), end - used / PAGE * PAGE, libc::MADV_POPULATE_WRITE)
        };
        Self { region, end }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let open = open();
        // Another one was opened when this one was full.
        if !ptr::eq(open.region.as_ptr(), Arc::as_ptr(&self.region)) {
            return;
        }
        let free = open.used.next_multiple_of(PAGE)..self.end;
        if !free.is_empty() {
            // SAFETY: nobody has these bytes, and nobody gets them before the lock is released.
            #[cfg(target_os = "linux")]
            let _ = unsafe {
                let first = self.region.first.add(free.start).as_ptr();
                libc::madvise(first.cast(), free.len(), libc::MADV_DONTNEED)
            };
        }
    }
}

fn open() -> MutexGuard<'static, Open> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The region in which the next place is.
struct Open {
    region: Weak<Region>,
    used: usize,
}

impl Open {
    /// The region, another if so many bytes are not left in it.
    fn with_room_for(&mut self, bytes: usize) -> Arc<Region> {
        match self.region.upgrade() {
            Some(region) if region.bytes - self.used >= bytes => region,
            _ => {
                let region = Arc::new(Region::map(bytes.max(REGION)));
                *self = Self { region: Arc::downgrade(&region), used: 0 };
                region
            }
        }
    }
}

/// Memory of the system's own, unmapped when the last place in it is dropped.
struct Region {
    first: NonNull<u8>,
    bytes: usize,
    mapped: NonNull<u8>,
}

// SAFETY: nothing is read or written through it.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// What is mapped beyond `bytes`, so that there is a huge page's begin.
    const fn mapped_bytes(bytes: usize) -> usize {
        bytes + PAGE
    }

    fn map(bytes: usize) -> Self {
        let mapped_bytes = Self::mapped_bytes(bytes);
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, wherever there is room, touches nothing that is there.
        let mapped = unsafe { libc::mmap(null_mut(), mapped_bytes, access, kind, -1, 0) };
        let Some(mapped) = NonNull::new(mapped.cast::<u8>()).filter(|_| mapped != libc::MAP_FAILED)
        else {
            handle_alloc_error(Layout::from_size_align(bytes, PAGE).unwrap_or(Layout::new::<u8>()));
        };
        // SAFETY: the first begin of a huge page is less than a huge page away, and so much more is mapped.
        let first = unsafe { mapped.add(mapped.align_offset(PAGE)) };
        // SAFETY: these bytes are mapped. Advice changes no content; where it cannot be followed, nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = unsafe { libc::madvise(first.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        Self { first, bytes, mapped }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and no place in it is left.
        let _ =
            unsafe { libc::munmap(self.mapped.as_ptr().cast(), Self::mapped_bytes(self.bytes)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `value` to all bytes of a place.
    fn filled(bytes: usize, value: u8) -> Place {
        let place = place(bytes);
        assert!(place.bytes() >= bytes && (place.first() as usize).is_multiple_of(LINE));
        // SAFETY: it has as many bytes.
        let own = unsafe { std::slice::from_raw_parts_mut(place.first(), place.bytes()) };
        assert!(own.iter().all(|&byte| byte == 0), "zero at first");
        own.fill(value);
        place
    }

    fn holds(place: &Place, value: u8) -> bool {
        // SAFETY: it has as many bytes.
        let own = unsafe { std::slice::from_raw_parts(place.first(), place.bytes()) };
        own.iter().all(|&byte| byte == value)
    }

    /// Cleared memory is that of the next places, and what they left is zero again when it is asked for anew.
    #[test]
    fn places_lie_in_cleared_memory_and_what_is_left_can_be_used_later() {
        let ready = Ready::clear(3 * PAGE);
        let first = filled(PAGE + LINE, 1);
        drop(ready);
        let others = [filled(PAGE, 2), filled(3 * PAGE, 3)];
        assert!(holds(&first, 1) && holds(&others[0], 2) && holds(&others[1], 3));
        drop(Ready::clear(2 * REGION));
        drop(Ready::clear(0));
    }

    #[test]
    fn places_do_not_overlap_and_outlive_their_neighbours() {
        let sizes = [0, 1, 64, 65, PAGE - 64, PAGE, REGION - PAGE, REGION, REGION + 1];
        std::thread::scope(|scope| {
            for thread in 0..2 {
                scope.spawn(move || {
                    let mut places: Vec<(Place, u8)> = Vec::new();
                    for (index, &bytes) in sizes.iter().enumerate() {
                        let value = (thread * 100 + index + 1) as u8;
                        places.push((filled(bytes, value), value));
                        if index % 3 == 2 {
                            places.remove(0);
                        }
                        assert!(places.iter().all(|(place, value)| holds(place, *value)));
                    }
                });
            }
        });
    }
}
