//! A look inside: what it shows is what a run computes.

use std::path::Path;
use std::sync::Arc;

use googlenet_engine::model::{
    Activations, Classifier, Engine, EngineError, Input, Look, Pixels, Preprocessing, Seen,
};
use googlenet_engine::network::report::ModelReport;
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, ParsedGraph, check};
use googlenet_engine::plan::{FastPlan, StockPlan, Team};
use googlenet_kernels::isa::Isa;

fn team(threads: usize) -> Arc<Team> {
    Arc::new(Team::new(threads).unwrap())
}

fn photo(side: usize, seed: usize) -> Input {
    let bytes = (0..side * side * 3).map(|i| ((i * 31 + i / 97 * 7 + seed * 13) % 256) as u8);
    Input::Pixels(Pixels::new(side, bytes.collect::<Vec<_>>()).unwrap())
}

/// All that can be seen.
fn everything(plan: &dyn Engine) -> Look {
    let views = plan.views();
    Look {
        last_map: views.classifier.is_some(),
        modules: (0..views.modules.len()).collect(),
        times: true,
        gradient: None,
    }
}

/// The logit of each class, summed from the last map in double precision.
fn logits(classifier: &Classifier, map: &Activations) -> Vec<f64> {
    let mut means = vec![0.0_f64; map.channels];
    for pixel in map.pixels() {
        means.iter_mut().zip(pixel).for_each(|(mean, &value)| *mean += f64::from(value));
    }
    let squares = (map.height * map.width) as f64;
    (0..classifier.classes())
        .map(|class| {
            let products = means.iter().zip(classifier.weights(class));
            let sum: f64 = products.map(|(mean, &weight)| mean / squares * f64::from(weight)).sum();
            sum + f64::from(classifier.bias()[class])
        })
        .collect()
}

/// The logits are what the last map and the layer give, and the probabilities their softmax.
fn is_consistent(classifier: &Classifier, seen: &Seen, context: &str) {
    let shown = seen.logits.as_deref().unwrap();
    let summed = logits(classifier, seen.last_map.as_ref().unwrap());
    for (class, (&logit, sum)) in shown.iter().zip(summed).enumerate() {
        let residual = (f64::from(logit) - sum).abs();
        let allowed = 1e-3 * f64::from(logit.abs()).max(1.0);
        assert!(residual <= allowed, "{context}: class {class}: {logit} is not {sum}");
    }
    let largest = shown.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = shown.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    for (&logit, &probability) in shown.iter().zip(seen.probabilities.as_slice()) {
        let expected = f64::from(logit - largest).exp() / total;
        assert!((expected - f64::from(probability)).abs() <= 1e-5, "{context}: {probability}");
    }
}

#[test]
fn a_look_shows_what_a_run_computes() {
    let proto = seeded_model(&GoogLeNet::new(224, 17).unwrap(), 5);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let report = ModelReport::new(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    for (isa, threads) in Isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 3)]) {
        let plan = FastPlan::load(&graph, &preprocessing, isa, team(threads)).unwrap();
        let plan = plan.named_after(&report);
        let (views, look) = (plan.views(), everything(&plan));
        let classifier = views.classifier.as_deref().unwrap();
        assert_eq!(
            (classifier.size, classifier.channels(), classifier.classes()),
            ((7, 7), 1024, 17)
        );
        assert_eq!(classifier.branches, Some([384, 384, 128, 128]));
        let names: Vec<&str> = views.modules.iter().map(|view| view.name.as_str()).collect();
        assert_eq!((names.len(), names[0], names[8]), (9, "inception_3a", "inception_5b"));
        let mut session = plan.session().unwrap();
        for input in [photo(224, 0), photo(224, 1), Input::Tensor(vec![3.0; 3 * 224 * 224].into())]
        {
            let run = session.run(std::slice::from_ref(&input)).unwrap().remove(0);
            let seen = session.look(&input, &look).unwrap();
            let context = format!("{isa:?}, {threads} threads");
            assert_eq!(seen.probabilities, run, "{context}");
            let again = session.run(std::slice::from_ref(&input)).unwrap();
            assert_eq!(again, [run], "{context}: the run after a look");
            is_consistent(classifier, &seen, &context);
            for (view, map) in views.modules.iter().zip(&seen.maps) {
                let sizes = (map.height, map.width, map.channels);
                assert_eq!(sizes, (view.height, view.width, view.channels()), "{context}");
                assert_eq!(map.values.len(), sizes.0 * sizes.1 * sizes.2);
                assert!(map.values.iter().all(|value| *value >= 0.0), "behind a ReLU");
            }
            assert_eq!(seen.maps.last(), seen.last_map.as_ref());
            let modules: Vec<usize> = seen.times.iter().filter_map(|time| time.module).collect();
            assert_eq!(modules, look.modules);
            if matches!(input, Input::Pixels(_)) {
                let operators: usize = plan.operators().iter().map(|row| row.count).sum();
                assert_eq!(seen.times.len(), operators, "{:?}", seen.times);
            }
            let bytes: usize = 4 * (17 + 49 * 1024)
                + seen.maps.iter().map(|map| 4 * map.values.len()).sum::<usize>();
            assert_eq!(views.bytes(&look), bytes as u64);
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_shown() {
    let proto = seeded_model(&GoogLeNet::new(64, 10).unwrap(), 2);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing { side: 64, ..Preprocessing::bvlc() };
    let plan = FastPlan::load(&graph, &preprocessing, Isa::best(), team(2)).unwrap();
    let mut session = plan.session().unwrap();
    let all = session.look(&photo(64, 4), &everything(&plan)).unwrap();
    let nothing = session.look(&photo(64, 4), &Look::default()).unwrap();
    assert_eq!(nothing.logits, all.logits, "logits cost nothing");
    assert!(nothing.last_map.is_none() && nothing.maps.is_empty() && nothing.times.is_empty());
    let two = Look { modules: vec![7, 1, 7], ..Look::default() };
    let some = session.look(&photo(64, 4), &two).unwrap();
    assert_eq!(some.maps, [7, 1, 7].map(|module| all.maps[module].clone()));
    let missing = Look { modules: vec![9], ..Look::default() };
    assert!(matches!(session.look(&photo(64, 4), &missing), Err(EngineError::NothingToSee)));
    let wrong = session.look(&photo(32, 4), &Look::default());
    assert!(matches!(wrong, Err(EngineError::Input(_))));
    let again = session.look(&photo(64, 4), &everything(&plan)).unwrap();
    assert_eq!((again.maps, again.logits), (all.maps, all.logits), "a failed look leaves no trace");
}

/// A plan of tract's operators, and a network without the pool, have no evidence.
#[test]
fn there_may_be_nothing_to_see() {
    let proto = seeded_model(&GoogLeNet::new(32, 10).unwrap(), 2);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing { side: 32, ..Preprocessing::bvlc() };
    let stock = StockPlan::load(&graph, &preprocessing).unwrap();
    assert!(stock.views().modules.is_empty() && stock.views().classifier.is_none());
    let look = stock.session().unwrap().look(&photo(32, 0), &Look::default());
    assert!(matches!(look, Err(EngineError::NothingToSee)));

    let graphs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/graphs");
    let proto = check::decode(&std::fs::read(graphs.join("small_cnn.onnx")).unwrap()).unwrap();
    let graph = ParsedGraph::parse(&proto).unwrap();
    let plan = FastPlan::load(&graph, &preprocessing, Isa::best(), team(1)).unwrap();
    assert!(plan.views().modules.is_empty() && plan.views().classifier.is_none());
    let mut session = plan.session().unwrap();
    let run = session.run(&[photo(32, 0)]).unwrap();
    let last_map = Look { last_map: true, ..Look::default() };
    assert!(matches!(session.look(&photo(32, 0), &last_map), Err(EngineError::NothingToSee)));
    assert_eq!(session.look(&photo(32, 0), &Look::default()).unwrap().probabilities, run[0]);
}

/// Whichever exporter wrote the file: its modules are found, and its logits are sums over its last map. A softmax of
/// single operators is not one operator: such a file is served and not explained.
#[test]
fn networks_of_other_exporters_are_explained() {
    use crate::shared::own_models::{SIDE, fixtures, is_quantised, names};
    let mut unexplained = Vec::new();
    for name in names(&fixtures()).into_iter().filter(|name| !is_quantised(name)) {
        let loaded = crate::own_models::load_own(&name);
        let views = loaded.engine.views();
        assert_eq!(views.modules.len(), 9, "{name}");
        let Some(classifier) = views.classifier.as_deref() else {
            unexplained.push(name);
            continue;
        };
        let look = everything(loaded.engine.as_ref());
        let mut session = loaded.engine.session().unwrap();
        let seen = session.look(&photo(SIDE, 3), &look).unwrap();
        is_consistent(classifier, &seen, &name);
    }
    assert_eq!(unexplained, ["legacy_exp", "legacy_exp_max"]);
}

#[test]
fn the_trained_network_is_explained() {
    let Some(shared) = crate::shared::folder() else { return };
    let proto =
        check::decode(&std::fs::read(shared.join("models/googlenet.onnx")).unwrap()).unwrap();
    let graph = ParsedGraph::parse(&proto).unwrap();
    for isa in Isa::available() {
        let plan = FastPlan::load(&graph, &Preprocessing::bvlc(), isa, team(1)).unwrap();
        let (views, look) = (plan.views(), everything(&plan));
        let mut session = plan.session().unwrap();
        for (name, _) in crate::shared::reference_probabilities(&shared) {
            let png = image::open(shared.join("reference").join(&name)).unwrap().to_rgb8();
            let input = Input::Pixels(Pixels::new(224, png.into_raw()).unwrap());
            let seen = session.look(&input, &look).unwrap();
            is_consistent(views.classifier.as_deref().unwrap(), &seen, &format!("{isa:?}, {name}"));
        }
    }
}
