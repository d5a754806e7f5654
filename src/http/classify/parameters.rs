//! The parameters of `POST /classify`, within their ranges.

use crate::http::error::{ApiError, shown};
use crate::http::upload::{Kind, Parameter, UnparsedParameters, flag, invalid, whole_number};
use crate::preprocess::Crops;
use crate::topk::TopK;
use googlenet_engine::groups::{ClassSet, Groups, SureAt, WithinError};

/// Those that `POST /classify` knows.
pub const KNOWN: &[Parameter] = &[
    Parameter { name: "top_k", kind: Kind::Number },
    Parameter { name: "min_probability", kind: Kind::Number },
    Parameter { name: "crops", kind: Kind::Number },
    Parameter { name: "groups", kind: Kind::Flag },
    Parameter { name: "sure", kind: Kind::Flag },
    Parameter { name: "sure_at", kind: Kind::Number },
    Parameter { name: "within", kind: Kind::Text("\"dog,n02121808\"") },
    Parameter { name: "explain", kind: Kind::Text("\"cam\"") },
];

/// Most classes that are explained in one answer.
const MOST_EXPLAINED: usize = 10;

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
    /// Whether the evidence for each class is given.
    pub explain: bool,
}

impl Parameters {
    /// The parameters, for a network whose classes have these groups.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] names the parameter and its range.
    pub fn parse(unparsed: &UnparsedParameters, groups: &Groups) -> Result<Self, ApiError> {
        let classes = groups.classes();
        let top_k = match unparsed.get("top_k") {
            None => TopK::default_for(classes),
            Some(text) => {
                let k = whole_number(text).and_then(|k| TopK::new(k, classes));
                k.ok_or_else(|| {
                    invalid("top_k", format_args!("a whole number from 1 to {classes}"))
                })?
            }
        };
        let min_probability = match unparsed.get("min_probability") {
            None => 0.0,
            // In double precision, in which what is just outside stays outside.
            Some(text) => text
                .parse::<f64>()
                .ok()
                .filter(|p| (0.0..=1.0).contains(p))
                .ok_or_else(|| invalid("min_probability", "a number from 0 to 1"))?
                as f32,
        };
        let crops = match unparsed.get("crops") {
            None => Crops::One,
            Some(text) => whole_number(text)
                .and_then(|n| Crops::try_from(u32::try_from(n).ok()?).ok())
                .ok_or_else(|| invalid("crops", "1, 5 or 10"))?,
        };
        let sure_at = match unparsed.get("sure_at") {
            None => SureAt::DEFAULT,
            Some(text) => {
                let at = text.parse().ok().and_then(SureAt::new);
                at.ok_or_else(|| invalid("sure_at", "a number from 0.5 to 0.999"))?
            }
        };
        let within = unparsed.get("within").map(|names| within(names, groups)).transpose()?;
        let groups = flag("groups", unparsed.get("groups"))?;
        let sure = (flag("sure", unparsed.get("sure"))? || groups).then_some(sure_at);
        let explain = explain(unparsed.get("explain"), crops, top_k)?;
        Ok(Self { top_k, min_probability, crops, groups, sure, within, explain })
    }
}

fn explain(method: Option<&str>, crops: Crops, top_k: TopK) -> Result<bool, ApiError> {
    match method {
        None => Ok(false),
        Some("cam") if crops != Crops::One => Err(ApiError::InvalidParameter(
            "explain=cam needs crops=1: the mean over several crops has no logit".into(),
        )),
        Some("cam") if top_k.get() > MOST_EXPLAINED => Err(ApiError::InvalidParameter(format!(
            "explain=cam needs a top_k of at most {MOST_EXPLAINED}"
        ))),
        Some("cam") => Ok(true),
        Some(_) => Err(invalid("explain", "cam, or left out")),
    }
}

fn within(names: &str, groups: &Groups) -> Result<ClassSet, ApiError> {
    groups.within(names).map_err(|error| match error {
        WithinError::Count => invalid(
            "within",
            format_args!(
                "1 to {} ids or names of groups, separated by commas, such as dog,n02121808",
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

#[cfg(test)]
mod tests {
    use googlenet_engine::groups::GroupTree;
    use googlenet_engine::weights::Labels;

    use super::*;

    #[test]
    fn ranges() {
        let groups = Groups::new(GroupTree::wordnet(), Labels::imagenet().ids()).unwrap();
        let parse = |query: &str| {
            let unparsed = UnparsedParameters::from_query(KNOWN, query)?;
            Parameters::parse(&unparsed, &groups)
        };
        for good in [
            "",
            "top_k=1",
            "top_k=1000&min_probability=1&crops=10",
            "min_probability=0.25",
            "top_k=3.0&crops=5.",
            "top_k=3&top_k=3",
            "top_k=3&top_k=3.0&min_probability=0.5&min_probability=.5",
            "groups=true&sure=false&sure_at=0.5&within=dog,%20big+cat,n02121808",
            "explain=cam",
            "explain=cam&top_k=10&crops=1&within=dog",
            "sure=True&sure_at=0.999&within=n02124075",
        ] {
            parse(good).unwrap();
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
            "explain=gradcam",
            "explain=",
            "explain=true",
            "explain=cam&crops=5",
            "explain=cam&crops=10",
            "explain=cam&top_k=11",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_parameter", "{bad}");
        }
    }
}
