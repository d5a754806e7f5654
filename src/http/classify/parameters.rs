//! `top_k`, `min_probability`, `crops`, `groups`, `sure`, `sure_at` and `within`, from the query, form fields or JSON
//! members.

use crate::http::error::{ApiError, shown};
use crate::preprocess::Crops;
use crate::topk::TopK;
use googlenet_engine::groups::{ClassSet, Groups, SureAt, WithinError};

/// The parameters as a client wrote them, in the query, in fields of a form, in members of JSON, or in some of
/// each; each has one value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnparsedParameters {
    top_k: Option<String>,
    min_probability: Option<String>,
    crops: Option<String>,
    groups: Option<String>,
    sure: Option<String>,
    sure_at: Option<String>,
    within: Option<String>,
}

/// The parameters of a request, within their ranges.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// How many classes to list.
    pub top_k: TopK,
    /// Leaves out what is below.
    pub min_probability: f32,
    /// Crops of each image.
    pub crops: Crops,
    /// Whether to list groups.
    pub groups: bool,
    /// From where on the answer says what it is sure of, if it is to.
    pub sure: Option<SureAt>,
    /// Lists only these classes.
    pub within: Option<ClassSet>,
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
            "groups" => Some(&mut self.groups),
            "sure" => Some(&mut self.sure),
            "sure_at" => Some(&mut self.sure_at),
            "within" => Some(&mut self.within),
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
                "there is no parameter `{}`: use top_k, min_probability, crops, groups, sure, sure_at or within",
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

    /// The parameters, for a network whose classes have these groups.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] names the parameter and its range.
    pub fn parse(&self, groups: &Groups) -> Result<Parameters, ApiError> {
        let classes = groups.classes();
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
        let sure_at = match &self.sure_at {
            None => SureAt::DEFAULT,
            Some(text) => {
                let at = text.parse().ok().and_then(SureAt::new);
                at.ok_or_else(|| invalid("sure_at", "a number from 0.5 to 0.999".into()))?
            }
        };
        let within = self.within.as_deref().map(|names| within(names, groups)).transpose()?;
        let groups = flag("groups", self.groups.as_deref())?;
        let sure = (flag("sure", self.sure.as_deref())? || groups).then_some(sure_at);
        Ok(Parameters { top_k, min_probability, crops, groups, sure, within })
    }
}

fn invalid(name: &str, range: String) -> ApiError {
    ApiError::InvalidParameter(format!("{name} must be {range}"))
}

/// `true`, and `True`, which clients in Python write into a form.
fn flag(name: &str, text: Option<&str>) -> Result<bool, ApiError> {
    match text {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if !text.eq_ignore_ascii_case("false") => {
            Err(invalid(name, "true or false".into()))
        }
        _ => Ok(false),
    }
}

fn within(names: &str, groups: &Groups) -> Result<ClassSet, ApiError> {
    groups.within(names).map_err(|error| match error {
        WithinError::Count => invalid(
            "within",
            format!(
                "1 to {} ids or names of groups, parted by commas, such as dog,n02121808",
                Groups::MOST_NAMES
            ),
        ),
        WithinError::Unknown(name) => ApiError::InvalidParameter(format!(
            "within has `{}`, which is neither an id nor the name of a shown group of this network's classes: \
             GET /model/groups lists them",
            shown(&name)
        )),
    })
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
    use googlenet_engine::groups::GroupTree;
    use googlenet_engine::weights::Labels;

    use super::*;

    #[test]
    fn ranges() {
        let groups = Groups::new(GroupTree::wordnet(), Labels::imagenet().ids()).unwrap();
        for good in [
            "",
            "top_k=1",
            "top_k=1000&min_probability=1&crops=10",
            "min_probability=0.25",
            "top_k=3.0&crops=5.",
            "top_k=3&top_k=3",
            "top_k=3&top_k=3.0&min_probability=0.5&min_probability=.5",
            "groups=true&sure=false&sure_at=0.5&within=dog,%20big+cat,n02121808",
            "sure=True&sure_at=0.999&within=n02124075",
        ] {
            UnparsedParameters::from_query(good).unwrap().parse(&groups).unwrap();
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
            "groups=1",
            "groups=",
            "sure_at=0.49",
            "sure_at=0.9999",
            "sure_at=NaN",
            "within=",
            "within=placental",
            "within=dog,",
            "within=n00000001",
        ] {
            let error =
                UnparsedParameters::from_query(bad).and_then(|p| p.parse(&groups)).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_parameter", "{bad}");
        }
    }
}
