//! The plan in int8: its operators, that every machine gives the same bits, and what it costs in answers.

use std::path::Path;
use std::sync::Arc;

use googlenet::decode::{self, DecodeLimits};
use googlenet::preprocess::{Crops, Preprocessor};
use googlenet_engine::model::{Engine, Input, Pixels, Preprocessing, Probabilities};
use googlenet_engine::network::seeded::seeded_model;
use googlenet_engine::network::{GoogLeNet, ParsedGraph, check};
use googlenet_engine::plan::{Calibration, Calibrator, FastPlan, Team};
use googlenet_kernels::isa::Isa;

fn team(threads: usize) -> Arc<Team> {
    Arc::new(Team::new(threads).unwrap())
}

/// Slow waves in three colours: noise would be far from anything that int8 is for.
fn photo(seed: usize) -> Input {
    let wave = |position: usize, period: usize| {
        let phase = (position + seed * 31) % period;
        (phase.abs_diff(period / 2) * 510 / period) as u8
    };
    let pixels = (0..224 * 224).flat_map(|i| {
        let (x, y) = (i % 224, i / 224);
        [wave(x, 56), wave(y, 40), wave(x + 2 * y, 72)]
    });
    Input::Pixels(Pixels::new(224, pixels.collect::<Vec<u8>>()).unwrap())
}

/// Every layer but the softmax runs in int8, and a silent fall-back to f32 would show here.
fn is_int8(plan: &FastPlan) {
    let all = plan.operators();
    let expected = [
        ("Bytes", "u8", 1),
        ("Convolution", "u8", 3),
        ("MaxPooling", "u8", 4),
        ("LocalResponseNorm", "u8", 2),
        ("Inception", "u8", 9),
        ("AveragePooling", "u8", 1),
        ("FullyConnected", "f32", 1),
        ("Softmax", "f32", 1),
    ];
    for (operator, writes, count) in expected {
        let row = all.iter().find(|row| row.operator == operator);
        let found = row.map(|row| (row.writes.as_str(), row.count));
        assert_eq!(found, Some((writes, count)), "{operator} in {all:?}");
    }
    assert_eq!(all.len(), expected.len(), "{all:?}");
}

#[test]
fn every_instruction_set_batch_and_thread_gives_the_same_bits() {
    let proto = seeded_model(&GoogLeNet::new(224, 17).unwrap(), 5);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let photos: Vec<Input> = (0..3).map(photo).collect();
    let mut calibrator = Calibrator::new(&graph, &preprocessing).unwrap();
    photos.iter().for_each(|photo| calibrator.observe(photo).unwrap());
    let table = Calibration::parse(&calibrator.finish().to_toml()).unwrap();
    let float = FastPlan::load(&graph, &preprocessing, Isa::best(), team(1)).unwrap();
    let float = float.session().unwrap().run(&photos).unwrap();
    let mut answers = Vec::new();
    for isa in Isa::available() {
        for threads in [1, 3] {
            let plan =
                FastPlan::load_int8(&graph, &preprocessing, isa, team(threads), &table).unwrap();
            is_int8(&plan);
            let mut session = plan.session().unwrap();
            answers.push(session.run(&photos).unwrap());
            let alone = photos.iter().map(|photo| session.run(std::slice::from_ref(photo)));
            answers.push(alone.map(|answer| answer.unwrap().remove(0)).collect());
        }
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    for (int8, float) in answers[0].iter().zip(&float) {
        assert_eq!(best(int8), best(float));
        for (a, b) in int8.as_slice().iter().zip(float.as_slice()) {
            assert!((a - b).abs() <= 0.2, "{a} is far from {b}");
        }
    }
}

/// A tensor is rounded only behind the first layer: nearly what the photo gets, and never an error.
#[test]
fn a_tensor_gets_nearly_what_its_photo_gets() {
    let proto = seeded_model(&GoogLeNet::new(224, 10).unwrap(), 6);
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let photo = photo(9);
    let mut calibrator = Calibrator::new(&graph, &preprocessing).unwrap();
    calibrator.observe(&photo).unwrap();
    let table = calibrator.finish();
    let plan = FastPlan::load_int8(&graph, &preprocessing, Isa::best(), team(2), &table).unwrap();
    let Input::Pixels(pixels) = &photo else { unreachable!() };
    let tensor: Vec<f32> = (0..3)
        .flat_map(|channel| {
            let plane = pixels.as_bytes().iter().skip(2 - channel).step_by(3);
            let mean = preprocessing.mean[channel];
            plane.map(move |&byte| f32::from(byte) - mean)
        })
        .collect();
    let mut session = plan.session().unwrap();
    let of_tensor = session.run(&[Input::Tensor(tensor.into())]).unwrap().remove(0);
    let of_photo = session.run(&[photo]).unwrap().remove(0);
    for (a, b) in of_tensor.as_slice().iter().zip(of_photo.as_slice()) {
        assert!((a - b).abs() <= 0.1, "{a} is far from {b}");
    }
}

#[test]
fn a_table_of_other_weights_is_refused() {
    let preprocessing = Preprocessing::bvlc();
    let network = GoogLeNet::new(224, 10).unwrap();
    let seeded = |seed| ParsedGraph::parse(&seeded_model(&network, seed)).unwrap();
    let mut calibrator = Calibrator::new(&seeded(1), &preprocessing).unwrap();
    calibrator.observe(&photo(0)).unwrap();
    let table = calibrator.finish();
    let error = FastPlan::load_int8(&seeded(2), &preprocessing, Isa::best(), team(1), &table);
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("other weights") && error.contains("calibrate"), "{error}");
    for text in [
        "",
        "weights = 1",
        "weights = \"\"\nphotos = 1\nactivation = [{ name = \"a\", largest = nan }]",
    ] {
        assert!(Calibration::parse(text).is_err(), "{text}");
    }
}

fn crop(path: &Path, preprocessor: &Preprocessor) -> Input {
    let bytes = std::fs::read(path).unwrap().into();
    let limits = DecodeLimits { max_pixels: 1 << 30, max_side_pixels: u32::MAX };
    let file = decode::read_header(&bytes, &limits).unwrap();
    let decoded = decode::decode(&file, 256).unwrap();
    let one = Crops::try_from(1).unwrap();
    Input::Pixels(preprocessor.crops(&decoded.pixels, one).unwrap().into_iter().next().unwrap())
}

fn best(probabilities: &Probabilities) -> usize {
    let values = probabilities.as_slice();
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap()
}

/// What int8 must keep: the same best class as f32 on at least 97 of 100 photos, none fewer right.
#[test]
fn the_trained_weights_lose_nothing() {
    let Some(shared) = crate::shared::folder() else { return };
    let proto =
        check::decode(&std::fs::read(shared.join("models/googlenet.onnx")).unwrap()).unwrap();
    let graph = ParsedGraph::parse(&proto).unwrap();
    let preprocessing = Preprocessing::bvlc();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(manifest.join("models/googlenet.int8.toml")).unwrap();
    let table = Calibration::parse(&table).unwrap();
    let float = FastPlan::load(&graph, &preprocessing, Isa::best(), team(1)).unwrap();
    let int8 = FastPlan::load_int8(&graph, &preprocessing, Isa::best(), team(1), &table).unwrap();
    is_int8(&int8);
    let (mut float, mut int8) = (float.session().unwrap(), int8.session().unwrap());
    let synsets = std::fs::read_to_string(manifest.join("models/synset_words.txt")).unwrap();
    let synsets: Vec<&str> = synsets.lines().map(|line| &line[..9]).collect();
    let preprocessor = Preprocessor::new(preprocessing).unwrap();
    let (mut same, mut right, mut difference) = (0, [0, 0], 0.0);
    let mut time = [std::time::Duration::ZERO; 2];
    let photos: Vec<_> = std::fs::read_dir(shared.join("photos")).unwrap().collect();
    for photo in &photos {
        let path = photo.as_ref().unwrap().path();
        let crop = [crop(&path, &preprocessor)];
        let mut answers = Vec::new();
        for (session, time) in [&mut float, &mut int8].into_iter().zip(&mut time) {
            let start = std::time::Instant::now();
            answers.push(session.run(&crop).unwrap().remove(0));
            *time += start.elapsed();
        }
        let classes = [best(&answers[0]), best(&answers[1])];
        same += usize::from(classes[0] == classes[1]);
        let name = path.file_name().unwrap().to_str().unwrap();
        for (right, class) in right.iter_mut().zip(classes) {
            *right += usize::from(name.starts_with(synsets[class]));
        }
        difference += (answers[0].as_slice()[classes[0]] - answers[1].as_slice()[classes[0]]).abs();
    }
    println!(
        "the same class on {same}, right {right:?} of {}; mean difference {:.4}; f32 {:?}, int8 {:?}",
        photos.len(),
        difference / photos.len() as f32,
        time[0] / photos.len() as u32,
        time[1] / photos.len() as u32
    );
    assert_eq!(photos.len(), 100);
    assert!(same >= 97, "{same}");
    assert!(right[1] >= right[0], "{right:?}");
}
