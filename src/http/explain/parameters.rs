//! The parameters of `POST /explain`, within their ranges.

use crate::evidence::MOST_EXPLAINED_CHANNELS;
use crate::http::error::{ApiError, shown};
use crate::http::module_name::module;
use crate::http::upload::{Kind, Parameter, UnparsedParameters, invalid, whole_number};
use googlenet_engine::model::{ModuleView, Views};
use googlenet_engine::weights::{ClassNameError, Labels};

/// Those that `POST /explain` knows.
pub const KNOWN: &[Parameter] = &[
    Parameter { name: "class", kind: Kind::NumberOrText("\"n02124075\"") },
    Parameter { name: "against", kind: Kind::NumberOrText("\"n02124075\"") },
    Parameter { name: "method", kind: Kind::Text("\"cam\"") },
    Parameter { name: "module", kind: Kind::Text("\"inception_4e\"") },
    Parameter { name: "squares", kind: Kind::Number },
    Parameter { name: "channels", kind: Kind::Number },
    Parameter { name: "size", kind: Kind::Number },
];

const SQUARE_CLASSES: std::ops::RangeInclusive<usize> = 0..=5;
const COVERS: std::ops::RangeInclusive<usize> = 2..=12;
const SIZES: std::ops::RangeInclusive<usize> = 224..=1024;

/// How an answer is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Class activation map: the share of each square of the last map in the logit, exactly.
    #[default]
    Cam,
    /// The gradient of the logit at the map of a module, times the map.
    Gradient,
    /// What is lost of the logit when a part of the photo is covered.
    Occlusion,
}

impl Method {
    /// In the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Cam, Self::Gradient, Self::Occlusion];

    /// The parameters that not all methods have, each with those that have it.
    const OF_SOME: [(&str, &[Self]); 3] = [
        ("module", &[Self::Gradient]),
        ("squares", &[Self::Cam, Self::Occlusion]),
        ("channels", &[Self::Cam]),
    ];

    /// Refuses parameters of other methods: their sender would wait for an effect of them.
    fn check(self, unparsed: &UnparsedParameters) -> Result<(), ApiError> {
        let given = |(name, methods): &&(&str, &[Self])| {
            unparsed.get(name).is_some() && !methods.contains(&self)
        };
        let Some((name, methods)) = Self::OF_SOME.iter().find(given) else { return Ok(()) };
        let methods: Vec<String> =
            methods.iter().map(|method| format!("method={}", method.as_str())).collect();
        Err(ApiError::InvalidParameter(format!(
            "{name} is a parameter of {}, and this is method={}: leave out {name}, or change method",
            methods.join(" and "),
            self.as_str()
        )))
    }

    /// As requests, answers and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cam => "cam",
            Self::Gradient => "gradient",
            Self::Occlusion => "occlusion",
        }
    }
}

/// The parameters of a request, within their ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The class to explain; the best one if there is none.
    pub class: Option<usize>,
    /// The class that it is compared with.
    pub against: Option<usize>,
    /// How.
    pub method: Method,
    /// The module of a gradient, by its index in the network's views; there is one for [`Method::Gradient`].
    pub module: Option<usize>,
    /// Classes that are named for each square; for [`Method::Occlusion`] squares on a side.
    pub squares: usize,
    /// Channels that are listed.
    pub channels: usize,
    /// Width and height of a picture in pixels.
    pub size: usize,
}

impl Parameters {
    /// The parameters, for a network with these classes that shows these views.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] names the parameter and its range, [`ApiError::NoGradient`] says that the network
    /// has none.
    pub fn parse(
        unparsed: &UnparsedParameters,
        labels: &Labels,
        views: &Views,
    ) -> Result<Self, ApiError> {
        let number = |name: &str, default: usize, range: std::ops::RangeInclusive<usize>| {
            let Some(text) = unparsed.get(name) else { return Ok(default) };
            whole_number(text).filter(|number| range.contains(number)).ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                invalid(name, format_args!("a whole number from {least} to {most}"))
            })
        };
        let class_of = |name: &str| {
            let text = unparsed.get(name);
            text.map(|text| class(name, text, labels)).transpose()
        };
        let (class, against) = (class_of("class")?, class_of("against")?);
        if class.is_some() && class == against {
            return Err(ApiError::InvalidParameter(
                "class and against are the same class: compare it with another".into(),
            ));
        }
        let method = method(unparsed.get("method"))?;
        method.check(unparsed)?;
        Ok(Self {
            class,
            against,
            method,
            module: gradient_module(method, unparsed.get("module"), views)?,
            squares: match method {
                Method::Occlusion => number("squares", 8, COVERS)?,
                Method::Cam | Method::Gradient => number("squares", 3, SQUARE_CLASSES)?,
            },
            channels: number("channels", 10, 0..=MOST_EXPLAINED_CHANNELS)?,
            size: number("size", 448, SIZES)?,
        })
    }
}

/// The module that a gradient is wanted at; the last one of the maps before the last, which are finer, if none is named.
fn gradient_module(
    method: Method,
    name: Option<&str>,
    views: &Views,
) -> Result<Option<usize>, ApiError> {
    if method != Method::Gradient {
        return Ok(None);
    }
    let first = views.gradients.ok_or(ApiError::NoGradient)?.first_module;
    let Some(name) = name else {
        return views.finest_behind(first).map(Some).ok_or(ApiError::NoGradient);
    };
    Ok(Some(first + module(name, with_gradient(views))?))
}

/// The modules at whose maps there are gradients; none where there is no gradient.
pub fn with_gradient(views: &Views) -> &[ModuleView] {
    let first = views.gradients.map(|gradients| gradients.first_module);
    first.and_then(|first| views.modules.get(first..)).unwrap_or_default()
}

fn method(text: Option<&str>) -> Result<Method, ApiError> {
    let Some(text) = text else { return Ok(Method::default()) };
    Method::ALL
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or_else(|| invalid("method", "cam, gradient or occlusion"))
}

fn class(name: &str, text: &str, labels: &Labels) -> Result<usize, ApiError> {
    let text = text.trim();
    let number = whole_number(text).filter(|&class| class < labels.classes());
    number.map_or_else(|| labels.find(text), Ok).map_err(|error| {
        let text = shown(text);
        ApiError::InvalidParameter(match error {
            ClassNameError::Unknown => format!(
                "{name} has `{text}`, which is neither an index from 0 to {} nor the id or name of a class of this \
                 network: GET /model/labels lists them",
                labels.classes().saturating_sub(1)
            ),
            ClassNameError::Several(first, second) => format!(
                "{name} has `{text}`, which is the name of several classes, such as {first} and {second}: give an index"
            ),
        })
    })
}

#[cfg(test)]
mod tests {
    use googlenet_engine::model::GradientViews;

    use super::super::choices::Choices;
    use super::*;

    fn parse(query: &str) -> Result<Parameters, ApiError> {
        let unparsed = UnparsedParameters::from_query(KNOWN, query)?;
        Parameters::parse(&unparsed, &Labels::imagenet(), &views())
    }

    fn views() -> Views {
        let module = |name: &str, side| ModuleView {
            name: name.to_owned(),
            height: side,
            width: side,
            branches: [1; 4],
        };
        Views {
            modules: vec![module("a", 28), module("b", 14), module("c", 14), module("d", 7)],
            gradients: Some(GradientViews { first_module: 1, weights_bytes: 0, run_bytes: 0 }),
            ..Views::default()
        }
    }

    #[test]
    fn a_gradient_is_that_of_a_module() {
        assert_eq!(parse("method=gradient").unwrap().module, Some(2), "the last of the finer maps");
        assert_eq!(parse("method=gradient&module=d").unwrap().module, Some(3));
        let error = parse("method=gradient&module=a").unwrap_err().to_string();
        assert!(error.ends_with("use b, c, d"), "{error}");
        let unparsed = UnparsedParameters::from_query(KNOWN, "method=gradient").unwrap();
        let none = Parameters::parse(&unparsed, &Labels::imagenet(), &Views::default());
        assert_eq!(none.unwrap_err().kind().code(), "not_explainable");
        assert_eq!(parse("method=occlusion").unwrap().squares, 8);
        assert!(parse("method=occlusion&squares=1").is_err());
        assert!(parse("method=occlusion&squares=13").is_err());
    }

    #[test]
    fn parameters_of_other_methods_are_told_theirs() {
        for (query, expected) in [
            ("module=d", "module is a parameter of method=gradient, and this is method=cam:"),
            ("method=occlusion&module=d", "method=gradient, and this is method=occlusion:"),
            (
                "method=gradient&squares=3",
                "squares is a parameter of method=cam and method=occlusion,",
            ),
            ("method=gradient&channels=3", "channels is a parameter of method=cam,"),
            ("channels=3&method=occlusion", "leave out channels, or change method"),
        ] {
            let error = parse(query).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_parameter", "{query}");
            assert!(error.to_string().contains(expected), "{query}: {error}");
        }
        for query in ["squares=3&channels=3", "method=occlusion&squares=3&size=300"] {
            parse(query).unwrap();
        }
    }

    #[test]
    fn the_choices_are_what_is_taken() {
        let choices = |views: &Views| serde_json::to_value(Choices::of(views)).unwrap();
        let offered = choices(&views());
        assert_eq!(offered["modules"], serde_json::json!(["b", "c", "d"]));
        for name in ["a", "b", "c", "d"] {
            let is_offered =
                offered["modules"].as_array().unwrap().iter().any(|module| module == name);
            let is_taken = parse(&format!("method=gradient&module={name}")).is_ok();
            assert_eq!(is_offered, is_taken, "{name}");
        }
        assert_eq!(
            offered["methods"],
            serde_json::json!(["gradient", "occlusion"]),
            "there is no classifier"
        );
        let none = choices(&Views::default());
        assert_eq!(none, serde_json::json!({ "methods": ["occlusion"], "modules": [] }));
    }

    #[test]
    fn a_class_has_an_index_an_id_and_a_name() {
        for text in ["285", "285.0", "n02124075", "Egyptian+cat", "egyptian%20CAT"] {
            assert_eq!(parse(&format!("class={text}")).unwrap().class, Some(285), "{text}");
        }
        assert_eq!(parse("").unwrap().class, None);
        let error = parse("class=1000").unwrap_err().to_string();
        assert!(error.contains("`1000`, which is neither an index from 0 to 999 nor"), "{error}");
        // A bird and a machine.
        let error = parse("class=crane").unwrap_err().to_string();
        assert!(error.contains("several classes, such as 134 and 517"), "{error}");
    }

    #[test]
    fn ranges() {
        for good in [
            "class=1&against=2&method=cam&squares=0&channels=0&size=224",
            "squares=5&channels=50&size=1024",
        ] {
            parse(good).unwrap();
        }
        for bad in [
            "class=cat+of+nowhere",
            "class=",
            "against=-1",
            "class=3&against=n01484850&class=2",
            "class=2&against=n01484850",
            "method=gradcam",
            "method=",
            "squares=6",
            "squares=-1",
            "channels=51",
            "size=223",
            "size=1025",
            "size=x",
            "top_k=3",
            "crops=5",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_parameter", "{bad}");
        }
    }
}
