//! `top_k`, `min_probability` and `crops`, from the query, form fields or JSON members.

use crate::http::error::{ApiError, shown};
use crate::preprocess::Crops;
use crate::topk::TopK;

/// The parameters as a client wrote them, in the query, in fields of a form, in members of JSON, or in some of
/// each; each has one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnparsedParameters {
    top_k: Option<String>,
    min_probability: Option<String>,
    crops: Option<String>,
}

/// The parameters of a request, within their ranges.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// How many classes to list.
    pub top_k: TopK,
    /// Leaves out what is below.
    pub min_probability: f32,
    /// Crops of each image.
    pub crops: Crops,
}

impl UnparsedParameters {
    /// Reads a query string, without its `?`.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] for a parameter that is unknown or given twice.
    pub fn from_query(query: &str) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parameters.set(&name, &value)?;
        }
        Ok(parameters)
    }

    /// Whether there is a parameter of this name.
    pub fn is_name(name: &str) -> bool {
        Self::default().slot(name).is_some()
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "top_k" => Some(&mut self.top_k),
            "min_probability" => Some(&mut self.min_probability),
            "crops" => Some(&mut self.crops),
            _ => None,
        }
    }

    /// Sets one parameter.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] when there is none of this name, or it has another value already.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let Some(slot) = self.slot(name) else {
            return Err(ApiError::InvalidParameter(format!(
                "there is no parameter `{}`: use top_k, min_probability or crops",
                shown(name)
            )));
        };
        match slot {
            Some(first) if !is_same(first, value) => Err(ApiError::InvalidParameter(format!(
                "{name} is given twice, as `{}` and as `{}`: give it once",
                shown(first),
                shown(value)
            ))),
            Some(_) => Ok(()),
            None => {
                *slot = Some(value.to_owned());
                Ok(())
            }
        }
    }

    /// The parameters, for a network of `classes` classes.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] names the parameter and its range.
    pub fn parse(&self, classes: usize) -> Result<Parameters, ApiError> {
        let invalid = |name: &str, range: String| {
            ApiError::InvalidParameter(format!("{name} must be {range}"))
        };
        let top_k = match &self.top_k {
            None => TopK::default_for(classes),
            Some(text) => {
                let k = whole_number(text).and_then(|k| TopK::new(k, classes));
                k.ok_or_else(|| invalid("top_k", format!("a whole number from 1 to {classes}")))?
            }
        };
        let min_probability = match &self.min_probability {
            None => 0.0,
            // In double precision, in which what is just outside stays outside.
            Some(text) => text
                .parse::<f64>()
                .ok()
                .filter(|p| (0.0..=1.0).contains(p))
                .ok_or_else(|| invalid("min_probability", "a number from 0 to 1".into()))?
                as f32,
        };
        let crops = match &self.crops {
            None => Crops::One,
            Some(text) => whole_number(text)
                .and_then(|n| Crops::try_from(u32::try_from(n).ok()?).ok())
                .ok_or_else(|| invalid("crops", "1, 5 or 10".into()))?,
        };
        Ok(Parameters { top_k, min_probability, crops })
    }
}

/// Of two texts, whether they are one value.
fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    one == other || number(one).is_some_and(|one| Some(one) == number(other))
}

/// `3`, and `3.0`, which clients write that have one type of numbers only.
fn whole_number(text: &str) -> Option<usize> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    decimals.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for good in [
            "",
            "top_k=1",
            "top_k=1000&min_probability=1&crops=10",
            "min_probability=0.25",
            "top_k=3.0&crops=5.",
            "top_k=3&top_k=3",
            "top_k=3&top_k=3.0&min_probability=0.5&min_probability=.5",
        ] {
            UnparsedParameters::from_query(good).unwrap().parse(1000).unwrap();
        }
        for bad in [
            "top_k=0",
            "top_k=1001",
            "top_k=-1",
            "top_k=x",
            "top_k=",
            "top_k=1.5",
            "top_k=.0",
            "top_k=1e0",
            "top_k=1.0.0",
            "crops=1.1",
            "min_probability=1.1",
            "min_probability=NaN",
            "min_probability=-0.1",
            "min_probability=-1e-310",
            "min_probability=1.00000001",
            "crops=2",
            "crops=0",
            "top_k=1&top_k=2",
            "topk=1",
        ] {
            let error =
                UnparsedParameters::from_query(bad).and_then(|p| p.parse(1000)).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_parameter", "{bad}");
        }
    }
}
