//! The TOML beside a model, and the calibration table of int8.
#![no_main]

use std::path::Path;

use googlenet_engine::plan::Calibration;
use googlenet::preprocess::Preprocessor;
use googlenet_engine::weights::{Manifest, ManifestError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Manifest::parse(text, Path::new("model.toml")) {
        Ok(manifest) => {
            let preprocessing = &manifest.preprocessing;
            assert!(preprocessing.mean.iter().all(|mean| mean.is_finite()));
            assert!(preprocessing.scale.iter().all(|scale| scale.is_finite() && *scale != 0.0));
            Preprocessor::new(preprocessing.clone()).unwrap();
            assert!(manifest.files.iter().all(|file| file.bytes > 0));
            manifest.doubts();
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let ManifestError::Invalid { line: Some(line), .. } = error {
                assert!((1..=text.split('\n').count()).contains(&line), "line {line}");
            }
        }
    }
    if let Ok(table) = Calibration::parse(text) {
        assert_eq!(Calibration::parse(&table.to_toml()).unwrap(), table);
    }
});
