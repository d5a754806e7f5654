//! The output of the network for one image.

/// Class probabilities of one input, `[classes]`: the softmax of the logits, each finite and in 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities(Box<[f32]>);

impl Probabilities {
    /// How far outside 0..=1 rounding may carry a value; it is clamped back.
    const ROUNDING: f32 = 1e-3;

    /// Checks that every value is a probability.
    ///
    /// # Errors
    /// [`ProbabilitiesError`] names the first value that is not finite or lies outside 0..=1.
    pub fn new(values: impl Into<Box<[f32]>>) -> Result<Self, ProbabilitiesError> {
        let mut values = values.into();
        for (class, value) in values.iter_mut().enumerate() {
            if !(-Self::ROUNDING..=1.0 + Self::ROUNDING).contains(value) {
                return Err(ProbabilitiesError { class, value: *value });
            }
            *value = value.clamp(0.0, 1.0);
        }
        Ok(Self(values))
    }

    /// The mean of several answers for one image (Caffe's oversampling); `None` when there are none,
    /// or when they differ in their number of classes.
    pub fn mean(answers: &[Self]) -> Option<Self> {
        let (first, rest) = answers.split_first()?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        let mut sum = first.0.clone();
        for answer in rest {
            if answer.0.len() != sum.len() {
                return None;
            }
            sum.iter_mut().zip(&answer.0).for_each(|(s, v)| *s += v);
        }
        let count = answers.len() as f32;
        sum.iter_mut().for_each(|s| *s = (*s / count).min(1.0));
        Some(Self(sum))
    }

    /// The most probable class, the first of equals; 0 if there is none.
    pub fn best(&self) -> usize {
        let better = |best: usize, class: usize| {
            if self.0[class] > self.0[best] { class } else { best }
        };
        (0..self.0.len()).reduce(better).unwrap_or(0)
    }

    /// The values by class index.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }
}

/// A value that is no probability: the weights or the graph are broken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("class {class} has {value}, which is not a probability")]
pub struct ProbabilitiesError {
    class: usize,
    value: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_is_no_probability() {
        for bad in [f32::NAN, f32::INFINITY, -0.5, 1.5] {
            let error = Probabilities::new(vec![0.5, bad]).unwrap_err();
            assert_eq!(error.class, 1, "{bad}");
        }
    }

    #[test]
    fn mean_is_by_class() {
        let a = Probabilities::new(vec![1.0, 0.0]).unwrap();
        let b = Probabilities::new(vec![0.0, 1.0]).unwrap();
        assert_eq!(Probabilities::mean(&[a.clone(), b]).unwrap().as_slice(), [0.5, 0.5]);
        assert_eq!(Probabilities::mean(&[]), None);
        assert_eq!(Probabilities::mean(&[a, Probabilities::new(vec![1.0]).unwrap()]), None);
    }
}
