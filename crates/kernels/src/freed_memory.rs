//! Memory that was freed, and that the allocator keeps.

// Its library has the function below.
use libmimalloc_sys as _;

// SAFETY: mimalloc.h declares `void mi_collect(bool force)`. It may be called at any time and from any thread.
unsafe extern "C" {
    safe fn mi_collect(force: bool);
}

/// Gives memory that was freed back to the system, where mimalloc is the program's allocator; else it does nothing.
///
/// mimalloc keeps freed memory for a second at least, and gives it back only when something is freed after that.
/// Memory that another thread has freed and may use again stays with that thread: threads that have ended have none.
pub fn give_back() {
    mi_collect(true);
}
