//! Before a plan serves, it is run beside stock tract on a built-in image and must agree.

use crate::model::{Engine, EngineError, Input, InputError, Pixels, Probabilities};

/// Runs `serving` and `reference` on a built-in image; their probabilities may differ by
/// `tolerance`. Also runs a batch of two, in which each image must get what it gets alone.
///
/// # Errors
/// [`SelfCheckError`] when one fails or they disagree.
pub fn self_check(
    serving: &dyn Engine,
    reference: &dyn Engine,
    side: usize,
    tolerance: f32,
) -> Result<(), SelfCheckError> {
    let images = [built_in_image(side, 0)?, built_in_image(side, 1)?];
    let expected = reference.session()?.run(&images)?;
    let mut session = serving.session()?;
    let batch = session.run(&images)?;
    for (index, image) in images.iter().enumerate() {
        let alone = session.run(std::slice::from_ref(image))?;
        let alone = alone.first().ok_or(SelfCheckError::Missing)?;
        compare(alone, expected.get(index).ok_or(SelfCheckError::Missing)?, tolerance)?;
        compare(batch.get(index).ok_or(SelfCheckError::Missing)?, alone, 0.0)?;
    }
    Ok(())
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

/// A picture of slow waves in three colours: every stage has something to do.
fn built_in_image(side: usize, number: usize) -> Result<Input, InputError> {
    let wave = |position: usize, period: usize| {
        let phase = (position + number * 31) % period;
        (phase.abs_diff(period / 2) * 510 / period) as u8
    };
    let pixels = (0..side * side).flat_map(|i| {
        let (x, y) = (i % side, i / side);
        [wave(x, 56), wave(y, 40), wave(x + 2 * y, 72)]
    });
    Ok(Input::Pixels(Pixels::new(side, pixels.collect::<Vec<u8>>())?))
}

/// The plan that should serve is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// One of the two failed.
    #[error("self-check: {0}")]
    Engine(#[from] EngineError),
    /// The built-in image has the wrong size.
    #[error("self-check: {0}")]
    Input(#[from] InputError),
    /// An answer is missing or has another number of classes.
    #[error("self-check: the plan and stock tract answer in different shapes")]
    Missing,
    /// They disagree.
    #[error("self-check: class {class} has {actual} in the plan and {expected} in its reference")]
    Disagree {
        /// Index of the first class that differs.
        class: usize,
        /// What the plan says.
        actual: f32,
        /// What stock tract says.
        expected: f32,
    },
}
