//! Runs a plan on drawn pictures before it serves. Its answers must be probabilities, must depend on the picture, and
//! must match those of an independent implementation for the first pictures: stock tract, or one whose answers are
//! stored.

use std::panic::resume_unwind;
use std::thread;

use crate::model::{
    Engine, EngineError, Input, InputError, Pixels, Probabilities, ProbabilitiesError, Session,
};

/// How far the sum of all probabilities may be from 1.
const SUM_TOLERANCE: f32 = 1e-3;
/// A class whose probability differs by this share between two pictures depends on the picture.
const LEAST_DIFFERENCE: f32 = 1e-3;
/// A network that is this sure of one class for all pictures is worth a word.
const SUSPICIOUS: f32 = 0.99;
/// Pictures that are run by the reference, which takes ten times as long.
pub(super) const COMPARED: usize = 3;

/// What a plan is held against.
#[derive(Clone, Copy)]
pub struct Reference<'a> {
    /// Runs the same network; slow, so that its pictures are shared out.
    pub engine: &'a dyn Engine,
    /// How far the probabilities may differ.
    pub tolerance: f32,
    /// Threads that share its pictures, at least one.
    pub cores: usize,
    /// What its softmax reads, where that was added to a graph of logits.
    pub logits: Option<&'a Logits<'a>>,
}

/// Gives the logits of each picture, if they can be had.
pub type Logits<'a> = dyn Fn(&[Input]) -> Option<Vec<Vec<f32>>> + Sync + 'a;

/// Runs `serving` on the first pictures of `side` pixels and compares its answers with `stored` ones, one for each, that
/// an independent implementation gave for the same weights. In a batch a picture must get what it gets alone, bit for bit.
///
/// # Errors
/// [`SelfCheckError`] says what was seen. The stored answers may belong to other weights: [`self_check`] knows more.
pub fn check_stored(
    serving: &dyn Engine,
    stored: &[Probabilities],
    tolerance: f32,
    side: usize,
) -> Result<(), SelfCheckError> {
    let pictures = pictures(side)?;
    let pictures = pictures.get(..stored.len()).ok_or(SelfCheckError::Missing)?;
    let answers = answers(serving, pictures)?;
    answers
        .iter()
        .zip(stored)
        .try_for_each(|(answer, stored)| compare(answer, stored, tolerance))?;
    check_difference(&answers)
}

/// Runs `serving` and its `reference` on pictures of `side` pixels. In a batch a picture must get what it gets alone, bit
/// for bit. Returns what the user should know of a plan that may serve.
///
/// # Errors
/// [`SelfCheckError`] says what was seen, what it means and what to do.
pub fn self_check(
    serving: &dyn Engine,
    reference: Reference<'_>,
    side: usize,
) -> Result<Option<Suspicion>, SelfCheckError> {
    let pictures = pictures(side)?;
    let answers = answers(serving, &pictures)?;
    let expected = reference.answers(&pictures[..COMPARED])?;
    for (answer, expected) in answers.iter().zip(&expected) {
        compare(answer, expected, reference.tolerance)?;
    }
    // In int8 small differences may be rounded away.
    check_difference(&expected).or_else(|_| check_difference(&answers))?;
    if let Some(logits) = reference.logits
        && answers.iter().all(may_be_softmax_of_probabilities)
        && logits(&pictures).is_none_or(|all| all.iter().all(|one| is_distribution(one)))
    {
        return Err(SelfCheckError::SoftmaxTwice);
    }
    Ok(suspicions(&answers))
}

/// One answer of `serving` for each picture, each a distribution. The last is run in a batch, in front of the first, which
/// must get what it got alone.
fn answers(serving: &dyn Engine, pictures: &[Input]) -> Result<Vec<Probabilities>, SelfCheckError> {
    let mut session = serving.session()?;
    let [first, .., last] = pictures else { return run_alone(session.as_mut(), 0, pictures) };
    let number = pictures.len() - 1;
    let mut answers = run_alone(session.as_mut(), 0, &pictures[..number])?;
    let together = session.run(&[last.clone(), first.clone()]);
    let together = together.map_err(|error| failed(number, error))?;
    let [of_last, of_first] = <[_; 2]>::try_from(together).map_err(|_| SelfCheckError::Missing)?;
    check_sum(number, &of_last)?;
    compare(&of_first, &answers[0], 0.0)?;
    answers.push(of_last);
    Ok(answers)
}

/// The answers for pictures of which the first is the `first` of all.
fn run_alone(
    session: &mut dyn Session,
    first: usize,
    pictures: &[Input],
) -> Result<Vec<Probabilities>, SelfCheckError> {
    let answer = |(index, picture): (usize, &Input)| {
        let number = first + index;
        let answers = session.run(std::slice::from_ref(picture));
        let answer = answers.map_err(|error| failed(number, error))?.pop();
        let answer = answer.ok_or(SelfCheckError::Missing)?;
        check_sum(number, &answer)?;
        Ok(answer)
    };
    pictures.iter().enumerate().map(answer).collect()
}

impl Reference<'_> {
    /// One answer for each picture, each a distribution; of several faults that of the first picture.
    fn answers(self, pictures: &[Input]) -> Result<Vec<Probabilities>, SelfCheckError> {
        let share = pictures.len().div_ceil(self.cores.max(1));
        let shares = pictures.chunks(share).enumerate();
        let answers: Vec<Result<Vec<Probabilities>, SelfCheckError>> = thread::scope(|scope| {
            let run = |(number, pictures)| scope.spawn(move || self.run(number * share, pictures));
            let running: Vec<_> = shares.map(run).collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended.map(|answers| answers.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let answers: Result<Vec<Vec<_>>, _> = answers.into_iter().collect();
        Ok(answers?.concat())
    }

    /// The answers for pictures of which the first is the `first` of all.
    fn run(self, first: usize, pictures: &[Input]) -> Result<Vec<Probabilities>, SelfCheckError> {
        run_alone(self.engine.session()?.as_mut(), first, pictures)
    }
}

fn failed(picture: usize, error: EngineError) -> SelfCheckError {
    match error {
        EngineError::Output(source) => SelfCheckError::NotProbabilities { picture, source },
        error => SelfCheckError::Engine(error),
    }
}

fn check_sum(picture: usize, answer: &Probabilities) -> Result<(), SelfCheckError> {
    let sum = answer.as_slice().iter().sum::<f32>();
    if (sum - 1.0).abs() <= SUM_TOLERANCE {
        Ok(())
    } else {
        Err(SelfCheckError::Sum { picture, sum })
    }
}

/// Some class must have another probability for some picture.
fn check_difference(answers: &[Probabilities]) -> Result<(), SelfCheckError> {
    let Some((first, others)) = answers.split_first() else { return Err(SelfCheckError::Missing) };
    let differs = |other: &Probabilities| {
        let pairs = first.as_slice().iter().zip(other.as_slice());
        pairs.into_iter().any(|(&a, &b)| (a - b).abs() > LEAST_DIFFERENCE * a.max(b))
    };
    if others.iter().any(differs) {
        Ok(())
    } else {
        Err(SelfCheckError::Constant { pictures: answers.len(), place: String::new() })
    }
}

/// Whether what went into the softmax may add up to 1 and lie within 0..=1. A softmax forgets a constant: it is taken to be
/// that which makes the sum 1, so that logits that lie close together pass as well.
fn may_be_softmax_of_probabilities(answer: &Probabilities) -> bool {
    let logarithms = || answer.as_slice().iter().map(|&value| f64::from(value).ln());
    let classes = answer.as_slice().len() as f64;
    let constant = (1.0 - logarithms().sum::<f64>()) / classes;
    let range = f64::from(-SUM_TOLERANCE)..=f64::from(1.0 + SUM_TOLERANCE);
    logarithms().all(|logarithm| range.contains(&(logarithm + constant)))
}

/// Whether values add up to 1 and lie within 0..=1.
fn is_distribution(values: &[f32]) -> bool {
    let range = -SUM_TOLERANCE..=1.0 + SUM_TOLERANCE;
    values.iter().all(|value| range.contains(value))
        && (values.iter().sum::<f32>() - 1.0).abs() <= SUM_TOLERANCE
}

fn suspicions(answers: &[Probabilities]) -> Option<Suspicion> {
    let best = |answer: &Probabilities| {
        let values = answer.as_slice().iter().enumerate();
        values.max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, &value)| (class, value))
    };
    let mut best = answers.iter().filter_map(best);
    let (class, value) = best.next()?;
    let is_sure = |(other, value)| other == class && value > SUSPICIOUS;
    (is_sure((class, value)) && best.all(is_sure))
        .then_some(Suspicion { class, pictures: answers.len() })
}

/// A network that may serve, though something about it is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the network is more than 99 % sure of class {class} for all {pictures} pictures of the self-check, which show quite \
     different things: check the preprocessing in the TOML (order of the channels, mean, scale), or the training"
)]
pub struct Suspicion {
    class: usize,
    pictures: usize,
}

fn compare(
    actual: &Probabilities,
    expected: &Probabilities,
    tolerance: f32,
) -> Result<(), SelfCheckError> {
    let (actual, expected) = (actual.as_slice(), expected.as_slice());
    if actual.len() != expected.len() {
        return Err(SelfCheckError::Missing);
    }
    for (class, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        if (actual - expected).abs() > tolerance {
            return Err(SelfCheckError::Disagree { class, actual, expected });
        }
    }
    Ok(())
}

/// What a picture has at a place, as red, green and blue.
type Drawing = fn(x: usize, y: usize, side: usize) -> [u8; 3];

/// Drawings that have little in common; the first are [`COMPARED`].
const DRAWINGS: [Drawing; 8] = [
    |x, y, _| waves(x, y, 0),
    |x, y, _| noise(x, y),
    |_, _, _| [255; 3],
    |x, y, _| waves(x, y, 31),
    |_, _, _| [0; 3],
    |x, y, side| {
        if (x * 8 / side + y * 8 / side).is_multiple_of(2) { [255, 210, 40] } else { [20, 30, 90] }
    },
    |x, y, side| [(x * 255 / side) as u8, (y * 255 / side) as u8, 128],
    |x, y, side| {
        let (dx, dy) = (x.abs_diff(side / 2), y.abs_diff(side / 2));
        if dx * dx + dy * dy < side * side / 9 { [210, 40, 30] } else { [60, 140, 60] }
    },
];

/// Every pixel another colour.
fn noise(x: usize, y: usize) -> [u8; 3] {
    let mixed = (x as u32).wrapping_mul(2_654_435_761) ^ (y as u32).wrapping_mul(2_246_822_519);
    let mixed = (mixed ^ mixed >> 15).wrapping_mul(3_266_489_917);
    [(mixed >> 24) as u8, (mixed >> 16) as u8, (mixed >> 8) as u8]
}

/// Slow waves in three colours.
fn waves(x: usize, y: usize, shift: usize) -> [u8; 3] {
    let wave = |position: usize, period: usize| {
        let phase = (position + shift) % period;
        (phase.abs_diff(period / 2) * 510 / period) as u8
    };
    [wave(x, 56), wave(y, 40), wave(x + 2 * y, 72)]
}

/// The pictures of the self-check, of `side` pixels a side.
///
/// # Errors
/// [`InputError`] when there can be none of that size.
pub fn pictures(side: usize) -> Result<Vec<Input>, InputError> {
    let draw = |drawing: &Drawing| {
        let places = (0..side * side).map(|i| (i % side, i / side));
        let pixels: Vec<u8> = places.flat_map(|(x, y)| drawing(x, y, side)).collect();
        Ok(Input::Pixels(Pixels::new(side, pixels)?))
    };
    DRAWINGS.iter().map(draw).collect()
}

/// The plan that should serve is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// One of the two failed.
    #[error("self-check: {0}")]
    Engine(#[from] EngineError),
    /// A picture has the wrong size.
    #[error("self-check: {0}")]
    Input(#[from] InputError),
    /// A value is not finite, or not within 0..=1.
    #[error(
        "self-check, picture {picture}: {source}. The weights are damaged, or the output is not what it is taken for: \
         export the model again, or name what the output is as `kind` under [output] in the TOML (logits, \
         probabilities or log_probabilities)"
    )]
    NotProbabilities {
        /// Which drawing, from 0.
        picture: usize,
        /// The value.
        source: ProbabilitiesError,
    },
    /// The values are no distribution.
    #[error(
        "self-check, picture {picture}: the probabilities of all classes add up to {sum}, not to 1. The output is not \
         what it is taken for (a softmax over the wrong axis, independent scores, or logits): export the model \
         again, or name what it is as `kind` under [output] in the TOML (logits, probabilities or \
         log_probabilities)"
    )]
    Sum {
        /// Which drawing, from 0.
        picture: usize,
        /// Of all classes.
        sum: f32,
    },
    /// What was taken for logits are probabilities.
    #[error(
        "self-check: the output was taken for logits, but its values lie within 0..=1 and add up to 1 for every picture: \
         they are probabilities already. Say so in the TOML beside the model: `kind = \"probabilities\"` under [output]"
    )]
    SoftmaxTwice,
    /// The picture does not matter.
    #[error(
        "self-check: the answers for {pictures} quite different pictures are the same{place}. The network does not see \
         its input (its activations have died, or its weights are zero): check the training and the export"
    )]
    Constant {
        /// How many were tried.
        pictures: usize,
        /// Where it stops seeing its input, as a sentence that goes on.
        place: String,
    },
    /// An answer is missing or has another number of classes.
    #[error(
        "self-check: the plan and stock tract answer in different shapes, which is a fault of this program"
    )]
    Missing,
    /// They disagree.
    #[error(
        "self-check: class {class} has {actual} in the plan and {expected} in its reference. In int8 the photos of the \
         calibration table may be too few, or too much alike: make it anew with `googlenet calibrate DIR`. In f32 the \
         network may lose its precision, as in the difference of two large numbers, which 64 bits would keep; else it is \
         a fault of this program"
    )]
    Disagree {
        /// Index of the first class that differs.
        class: usize,
        /// What the plan says.
        actual: f32,
        /// What stock tract says.
        expected: f32,
    },
}
