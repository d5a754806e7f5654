//! The service under load, and at its end: one test at a time, for each needs both cores.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../hostile/mod.rs"]
mod hostile;
#[path = "../shared/mod.rs"]
mod shared;

mod fair_shares;
mod overload;
mod shutdown;
mod slow_clients;

use tokio::sync::Mutex;

/// Held by the test that runs.
static ALONE: Mutex<()> = Mutex::const_new(());
