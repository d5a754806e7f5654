//! The whole network on one core, with every instruction set that the machine has, beside tract's own
//! operators; the weights are seeded, which takes as long as trained ones.
//!
//!     cargo bench --bench network
//!
//! `load` is what a start spends on finding the layers and packing their weights.

use std::sync::Arc;

use divan::Bencher;
use googlenet_engine::model::{Engine, Input, Pixels, Preprocessing};
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, ParsedGraph};
use googlenet_engine::plan::{Calibration, Calibrator, FastPlan, StockPlan, Team};
use googlenet_kernels::isa::{Isa, IsaName};

fn main() {
    divan::main();
}

fn network() -> (ParsedGraph, Preprocessing, Input) {
    let side = 224;
    let proto = seeded_model(&GoogLeNet::new(side, 1000).unwrap(), 0);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let pixels = (0..side * side * 3).map(|i| ((i * 31 + i / 97 * 7) % 256) as u8);
    let pixels = Pixels::new(side, pixels.collect::<Vec<_>>()).unwrap();
    (graph, Preprocessing::bvlc(), Input::Pixels(pixels))
}

fn run(bencher: Bencher<'_, '_>, engine: &dyn Engine, photo: &Input) {
    let mut session = engine.session().unwrap();
    bencher.bench_local(|| session.run(std::slice::from_ref(photo)).unwrap());
}

fn instruction_sets() -> Vec<IsaName> {
    Isa::available().into_iter().map(Isa::name).collect()
}

#[divan::bench]
fn stock_tract(bencher: Bencher<'_, '_>) {
    let (graph, preprocessing, photo) = network();
    run(bencher, &StockPlan::load(&graph, &preprocessing).unwrap(), &photo);
}

#[divan::bench(args = instruction_sets())]
fn f32(bencher: Bencher<'_, '_>, isa: &IsaName) {
    let (graph, preprocessing, photo) = network();
    let team = Arc::new(Team::new(1).unwrap());
    let isa = Isa::require(*isa).unwrap();
    run(bencher, &FastPlan::load(&graph, &preprocessing, isa, team).unwrap(), &photo);
}

#[divan::bench(args = instruction_sets())]
fn int8(bencher: Bencher<'_, '_>, isa: &IsaName) {
    let (graph, preprocessing, photo) = network();
    let mut calibrator = Calibrator::new(&graph, &preprocessing).unwrap();
    calibrator.observe(&photo).unwrap();
    let table = Calibration::parse(&calibrator.finish().to_toml()).unwrap();
    let team = Arc::new(Team::new(1).unwrap());
    let isa = Isa::require(*isa).unwrap();
    let plan = FastPlan::load_int8(&graph, &preprocessing, isa, team, &table).unwrap();
    run(bencher, &plan, &photo);
}

#[divan::bench(sample_count = 10)]
fn load_f32(bencher: Bencher<'_, '_>) {
    let (graph, preprocessing, _) = network();
    let team = Arc::new(Team::new(1).unwrap());
    bencher
        .bench_local(|| FastPlan::load(&graph, &preprocessing, Isa::best(), team.clone()).unwrap());
}

#[divan::bench(sample_count = 10)]
fn load_int8(bencher: Bencher<'_, '_>) {
    let (graph, preprocessing, photo) = network();
    let mut calibrator = Calibrator::new(&graph, &preprocessing).unwrap();
    calibrator.observe(&photo).unwrap();
    let table = Calibration::parse(&calibrator.finish().to_toml()).unwrap();
    let team = Arc::new(Team::new(1).unwrap());
    bencher.bench_local(|| {
        FastPlan::load_int8(&graph, &preprocessing, Isa::best(), team.clone(), &table).unwrap()
    });
}
