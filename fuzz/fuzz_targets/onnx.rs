//! An ONNX file, from its bytes to a plan that has run: what `googlenet serve --model` does with it.
#![no_main]

use std::panic::catch_unwind;
use std::sync::{Arc, LazyLock};

use googlenet_kernels::isa::Isa;
use googlenet_engine::model::{Engine, Preprocessing};
use googlenet_engine::network::intake::{self, Intake, Wanted};
use googlenet_engine::network::check::{self, Checked};
use googlenet_engine::network::{ModelReport, summary};
use googlenet_engine::plan::{FastPlan, Reference, StockPlan, Team, self_check};
use googlenet_fuzz::forgive_dependencies;
use libfuzzer_sys::fuzz_target;

static TEAM: LazyLock<Arc<Team>> = LazyLock::new(|| Arc::new(Team::new(1).unwrap()));

/// Larger images only take longer.
const MAX_SIDE: usize = 64;
const MAX_CLASSES: usize = 1000;

fuzz_target!(
    init: {
        forgive_dependencies();
    },
    |bytes: &[u8]| {
        // tract panics on some graphs; the service ends then, and says that loading the model failed.
        let _ = catch_unwind(|| load(bytes));
    }
);

fn load(bytes: &[u8]) -> Option<()> {
    let wanted = Wanted { side: MAX_SIDE, ..Wanted::default() };
    let Intake { model: proto, .. } =
        intake::intake(intake::decode(bytes).ok()?, &wanted).ok()?;
    let Checked { interface, parsed, shapes } = check::check(&proto).ok()?;
    assert!(interface.classes > 0 && interface.side > 0);
    let report = ModelReport::of(&proto, &shapes).ok()?;
    check::remark(&report);
    if interface.side > MAX_SIDE || interface.classes > MAX_CLASSES {
        return None;
    }
    let preprocessing = Preprocessing { side: interface.side, ..Preprocessing::bvlc() };
    let plan = FastPlan::load(&parsed, &preprocessing, Isa::best(), Arc::clone(&TEAM)).ok()?;
    assert!(!summary::text(&report, &plan.operators(), googlenet_engine::model::InstructionSets { f32: "portable", int8: "portable" }).is_empty());
    let reference = StockPlan::load(&parsed, &preprocessing).ok()?;
    let reference = Reference { engine: &reference, tolerance: 1e-3, cores: 1, logits: None };
    self_check(&plan, reference, interface.side).ok()?;
    Some(())
}
