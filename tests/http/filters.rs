//! The filters of the first layer: as JSON, and as a picture.

use crate::harness::process::Process;
use crate::harness::{TestService, client};
use crate::shared::own_models::{copied, fixtures};
use googlenet_engine::network::{GoogLeNet, seeded::seeded_model};
use serde_json::Value;

/// The service's small network.
const SEED: u64 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_the_weights_in_rgb() {
    let service = TestService::start(&[]).await;
    let answer = client::get(service.address, "/model/filters").await;
    assert_eq!(answer.status, 200);
    let list = answer.json();
    let network = GoogLeNet::new(crate::harness::SIDE, crate::harness::CLASSES).unwrap();
    let model = seeded_model(&network, SEED);
    let tensors = &model.graph.as_ref().unwrap().initializer;
    let first = tensors.iter().find(|tensor| tensor.dims == [64, 3, 7, 7]).unwrap();
    let weights: Vec<f32> =
        first.raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(
        (&list["filters"], &list["height"], &list["width"]),
        (&64.into(), &7.into(), &7.into())
    );
    let shown = list["weights"].as_array().unwrap();
    assert_eq!(shown.len(), 64);
    for (index, weight) in weights.iter().enumerate() {
        // OIHW, BGR.
        let (filter, channel, row, column) =
            (index / 147, index / 49 % 3, index / 7 % 7, index % 7);
        let value = shown[filter][row][column][2 - channel].as_f64().unwrap();
        assert!((value - f64::from(*weight)).abs() < 1e-7, "{index}: {value} for {weight}");
    }
    let largest = weights.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
    assert_eq!(list["largest"].as_f64().unwrap() as f32, largest);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_preferred_by_accept() {
    let service = TestService::start(&[]).await;
    let ask = async |accept: &str| {
        let head = client::head("GET", "/model/filters", &[("Accept", accept)]);
        client::send(service.address, &head).await
    };
    for accept in
        ["image/png", "image/avif,image/webp,image/*,*/*;q=0.5", "application/json;q=0.5,image/png"]
    {
        let answer = ask(accept).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"), "{accept}");
        let picture = image::load_from_memory(&answer.body).unwrap().to_rgb8();
        // 8x8 filters of 7x7, eight times as large.
        assert_eq!(picture.dimensions(), (8 * 60 + 4, 8 * 60 + 4));
        let colours: std::collections::HashSet<_> = picture.pixels().collect();
        assert!(colours.len() > 1000, "{} colours", colours.len());
    }
    for accept in ["*/*", "application/json", "text/html,*/*;q=0.8"] {
        assert_eq!(ask(accept).await.header("content-type"), "application/json", "{accept}");
    }
    service.stop().await;
}

/// A network that mixes the colours before its first convolution, and one that reads RGB.
#[tokio::test(flavor = "multi_thread")]
async fn other_exports_have_filters_too() {
    for name in ["legacy_transform_input", "dynamo_logits"] {
        let model = copied(&fixtures(), name, "");
        let service = Process::start(&model.path, &[]);
        let list: Value = client::get(service.address, "/model/filters").await.json();
        let weights = list["weights"].as_array().unwrap();
        assert_eq!(weights.len() as u64, list["filters"].as_u64().unwrap(), "{name}");
        assert_eq!(weights[0][0][0].as_array().unwrap().len(), 3, "{name}");
    }
}
