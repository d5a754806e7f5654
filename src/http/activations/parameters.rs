//! The parameters of `POST /activations`, within their ranges.

use crate::http::error::ApiError;
use crate::http::module_name::module;
use crate::http::upload::{Kind, Parameter, UnparsedParameters, flag, invalid, whole_number};
use crate::inside::Sort;
use googlenet_engine::model::ModuleView;

/// Those that `POST /activations` knows.
pub const KNOWN: &[Parameter] = &[
    Parameter { name: "module", kind: Kind::Texts("\"inception_3a\"") },
    Parameter { name: "channels", kind: Kind::Number },
    Parameter { name: "sort", kind: Kind::Text("\"mean\"") },
    Parameter { name: "sprite", kind: Kind::Flag },
];

const DEFAULT_CHANNELS: usize = 64;
const MOST_SHOWN_CHANNELS: usize = 1024;

/// The parameters of a request, within their ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Modules, by their index, in the order in which they were named.
    pub modules: Vec<usize>,
    /// Channels of each that are listed and drawn.
    pub channels: usize,
    /// Which come first.
    pub sort: Sort,
    /// Whether they are drawn.
    pub sprite: bool,
}

impl Parameters {
    /// The parameters, for a network with these modules; of one module, if they are those of a picture.
    ///
    /// # Errors
    /// [`ApiError::InvalidParameter`] names the parameter and its range.
    pub fn parse(
        unparsed: &UnparsedParameters,
        modules: &[ModuleView],
        is_picture: bool,
    ) -> Result<Self, ApiError> {
        let channels = match unparsed.get("channels") {
            None => DEFAULT_CHANNELS,
            Some(text) => {
                let channels = whole_number(text).filter(|n| (1..=MOST_SHOWN_CHANNELS).contains(n));
                let range = format_args!("a whole number from 1 to {MOST_SHOWN_CHANNELS}");
                channels.ok_or_else(|| invalid("channels", range))?
            }
        };
        let modules = match unparsed.get("module") {
            None => (0..modules.len()).collect(),
            Some(names) => named(names, modules)?,
        };
        if is_picture && modules.len() != 1 {
            return Err(ApiError::InvalidParameter(
                "a picture shows one module: name it, such as module=inception_3a, or ask for JSON"
                    .into(),
            ));
        }
        Ok(Self {
            modules,
            channels,
            sort: sort(unparsed.get("sort"))?,
            sprite: unparsed.get("sprite").is_none() || flag("sprite", unparsed.get("sprite"))?,
        })
    }
}

/// The modules of these names, separated by commas; one that is named twice counts once.
fn named(names: &str, modules: &[ModuleView]) -> Result<Vec<usize>, ApiError> {
    let mut found = Vec::new();
    for name in names.split(',').map(str::trim) {
        let place = module(name, modules)?;
        if !found.contains(&place) {
            found.push(place);
        }
    }
    Ok(found)
}

fn sort(text: Option<&str>) -> Result<Sort, ApiError> {
    let Some(text) = text else { return Ok(Sort::default()) };
    let found = Sort::ALL.into_iter().find(|sort| sort.as_str() == text);
    found.ok_or_else(|| invalid("sort", "index, mean or max"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Parameters, ApiError> {
        let module = |name: &str| ModuleView {
            name: name.to_owned(),
            height: 28,
            width: 28,
            branches: [64, 128, 32, 32],
        };
        let unparsed = UnparsedParameters::from_query(KNOWN, query)?;
        Parameters::parse(&unparsed, &[module("inception_3a"), module("inception_3b")], false)
    }

    #[test]
    fn modules_may_be_repeated_and_listed() {
        assert_eq!(parse("").unwrap().modules, [0, 1]);
        for query in [
            "module=inception_3b&module=inception_3a",
            "module=inception_3b,inception_3a",
            "module=inception_3b, inception_3a&module=inception_3b",
        ] {
            assert_eq!(parse(query).unwrap().modules, [1, 0], "{query}");
        }
    }

    #[test]
    fn ranges() {
        let defaults = parse("").unwrap();
        assert_eq!((defaults.channels, defaults.sort, defaults.sprite), (64, Sort::Mean, true));
        let all = parse("channels=1024&sort=index&sprite=false").unwrap();
        assert_eq!((all.channels, all.sort, all.sprite), (1024, Sort::Index, false));
        for bad in [
            "module=inception_9z",
            "module=",
            "module=inception_3a,",
            "channels=0",
            "channels=1025",
            "channels=x",
            "sort=random",
            "sprite=1",
            "class=3",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.kind().code(), "invalid_parameter", "{bad}");
        }
    }
}
