//! The JSON form of a request: what is in it, in memory that follows the images that may be in one.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::config::MOST_IMAGES;

/// The members that are known; others are an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonUpload<'a> {
    #[serde(borrow)]
    pub(super) image: Option<Base64Text<'a>>,
    #[serde(borrow)]
    pub(super) images: Option<Base64Texts<'a>>,
    pub(super) top_k: Option<Parameter>,
    pub(super) min_probability: Option<Parameter>,
    pub(super) crops: Option<Parameter>,
}

/// A string that stays where it is in the body, unless it has escapes.
#[derive(Deserialize)]
pub(super) struct Base64Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A list of strings. What no configuration takes is counted, not kept.
pub(super) struct Base64Texts<'a> {
    pub(super) kept: Vec<Base64Text<'a>>,
    pub(super) count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Base64Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Base64Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of images in base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < MOST_IMAGES {
                    match array.next_element()? {
                        Some(text) => kept.push(text),
                        None => return Ok(Base64Texts { count: kept.len(), kept }),
                    }
                }
                let mut count = kept.len();
                while array.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Base64Texts { kept, count })
            }
        }
        input.deserialize_seq(Texts)
    }
}

/// The value of a parameter.
pub(super) enum Parameter {
    Number(Number),
    /// Anything else; it is passed over.
    Other,
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Parameter;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Parameter, E> {
                Ok(Parameter::Number(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Parameter, E> {
                Ok(Parameter::Number(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Parameter, E> {
                Ok(Number::from_f64(value).map_or(Parameter::Other, Parameter::Number))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Parameter, E> {
                Ok(Parameter::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Parameter, E> {
                Ok(Parameter::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Parameter, A::Error> {
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Parameter::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameter, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Parameter::Other)
            }
        }
        input.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_not_kept() {
        let many = format!(r#"{{"images": [{}""]}}"#, r#""","#.repeat(MOST_IMAGES + 6));
        let images = serde_json::from_str::<JsonUpload>(&many).unwrap().images.unwrap();
        assert_eq!((images.kept.len(), images.count), (MOST_IMAGES, MOST_IMAGES + 7));
        let few = serde_json::from_str::<JsonUpload>(r#"{"images": ["a\/", "b"]}"#).unwrap();
        let images = few.images.unwrap();
        assert_eq!((images.kept.len(), images.count), (2, 2));
        assert!(matches!(&images.kept[0].0, Cow::Owned(text) if text == "a/"));
        assert!(matches!(images.kept[1].0, Cow::Borrowed("b")));
    }

    #[test]
    fn a_parameter_is_a_number_or_is_passed_over() {
        for value in ["[0, [1], 2]", r#"{"a": [1]}"#, r#""5""#, "true"] {
            let json = format!(r#"{{"top_k": {value}, "crops": 10, "min_probability": 0.25}}"#);
            let upload: JsonUpload = serde_json::from_str(&json).unwrap();
            assert!(matches!(upload.top_k, Some(Parameter::Other)), "{value}");
            assert!(matches!(upload.crops, Some(Parameter::Number(n)) if n.as_u64() == Some(10)));
            let Some(Parameter::Number(share)) = upload.min_probability else { panic!() };
            assert_eq!(share.to_string(), "0.25");
        }
        assert!(serde_json::from_str::<JsonUpload>(r#"{"top_k": null}"#).unwrap().top_k.is_none());
    }
}
