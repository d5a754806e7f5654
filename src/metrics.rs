//! What Prometheus scrapes. Names are part of the HTTP contract.

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Bounds of the histograms of durations, in seconds: 0.5 ms to 10 s.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// Bounds of the histogram of probabilities: closer at the upper end, where most photos are.
const PROBABILITIES: [f64; 12] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];

/// What the batcher counts.
#[derive(Clone, Debug)]
pub struct BatcherMetrics {
    /// Images that wait, those being decoded included.
    pub queue_depth: IntGauge,
    /// What `queue_depth` may be at most.
    pub queue_capacity: IntGauge,
    /// Workers there are.
    pub workers: IntGauge,
    /// Workers that run a batch.
    pub workers_busy: IntGauge,
    /// From joining the queue to being taken up.
    pub queue_seconds: Histogram,
    /// One run of a batch.
    pub inference_seconds: Histogram,
    /// Inputs in a batch.
    pub batch_size: Histogram,
    /// Images whose client went away while they waited.
    pub cancelled: IntCounter,
    /// Panics of the plan: as [`PanicPlace::Plan`] in [`Metrics::panics`].
    pub panics: IntCounter,
}

impl BatcherMetrics {
    fn new(registry: &Registry, panics: &IntCounterVec) -> Result<Self, prometheus::Error> {
        Ok(Self {
            queue_depth: gauge(
                registry,
                "googlenet_queue_depth",
                "Images admitted and not started",
            )?,
            queue_capacity: gauge(
                registry,
                "googlenet_queue_capacity",
                "Images that may be admitted and not started",
            )?,
            workers: gauge(registry, "googlenet_workers", "Workers that run the network")?,
            workers_busy: gauge(registry, "googlenet_workers_busy", "Workers that run a batch")?,
            queue_seconds: histogram(
                registry,
                "googlenet_queue_seconds",
                "From joining the queue to being taken up by a worker",
                &SECONDS,
            )?,
            inference_seconds: histogram(
                registry,
                "googlenet_inference_seconds",
                "One run of the plan over a batch",
                &SECONDS,
            )?,
            batch_size: histogram(
                registry,
                "googlenet_batch_size",
                "Inputs in a batch",
                &BATCH_SIZES,
            )?,
            cancelled: counter(
                registry,
                "googlenet_cancelled_total",
                "Images never computed because their client went away or their time was up",
            )?,
            panics: panics.with_label_values(&[PanicPlace::Plan.label()]),
        })
    }
}

/// Where a panic was caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicPlace {
    /// In a handler: it cost its request.
    Handler,
    /// In a decoder, over a file that a client sent: it cost that image.
    Decode,
    /// In the plan: it cost its batch.
    Plan,
}

impl PanicPlace {
    const ALL: [Self; 3] = [Self::Handler, Self::Decode, Self::Plan];

    fn label(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Decode => "decode",
            Self::Plan => "plan",
        }
    }
}

/// All metrics of the service.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests by endpoint and status code.
    pub requests: IntCounterVec,
    /// Requests by endpoint.
    pub request_seconds: HistogramVec,
    /// Decoding of one image.
    pub decode_seconds: Histogram,
    /// The best class's probability of each image.
    pub top1_probability: Histogram,
    /// Requests refused because of the service's state, by the error's code and, when the queue is full, the bound that
    /// was met.
    pub rejected: IntCounterVec,
    /// Images explained, by the method.
    pub explanations: IntCounterVec,
    /// Making one explanation of what was seen in the network.
    pub explain_seconds: Histogram,
    panics: IntCounterVec,
    /// Lines of the log that could not be written.
    pub log_lines_lost: IntCounter,
    /// Open connections.
    pub connections: IntGauge,
    /// Bytes of the bodies of requests that are in memory.
    pub body_memory: IntGauge,
    /// Bytes of the bodies of answers that are in memory.
    pub answer_memory: IntGauge,
    /// The batcher's part.
    pub batcher: BatcherMetrics,
    build_info: IntGaugeVec,
}

impl Metrics {
    /// Registers every metric, and those of the process (`process_…`).
    ///
    /// # Errors
    /// When two have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let panics = panics(&registry)?;
        let batcher = BatcherMetrics::new(&registry, &panics)?;
        let request_seconds = HistogramVec::new(
            HistogramOpts::new(
                "googlenet_request_duration_seconds",
                "From the head of a request to the head of its answer",
            )
            .buckets(SECONDS.to_vec()),
            &["endpoint"],
        )?;
        registry.register(Box::new(request_seconds.clone()))?;
        let build_info = IntGaugeVec::new(
            Opts::new("googlenet_build_info", "Always 1; the labels tell what runs"),
            &["version", "model", "model_version", "precision"],
        )?;
        registry.register(Box::new(build_info.clone()))?;
        Ok(Self {
            requests: counters(
                &registry,
                "googlenet_requests_total",
                "Requests answered",
                &["endpoint", "code"],
            )?,
            request_seconds,
            decode_seconds: histogram(
                &registry,
                "googlenet_decode_seconds",
                "Decoding of one image",
                &SECONDS,
            )?,
            top1_probability: histogram(
                &registry,
                "googlenet_top1_probability",
                "Probability of the best class of each image that was classified",
                &PROBABILITIES,
            )?,
            rejected: counters(
                &registry,
                "googlenet_rejected_total",
                "Requests refused because a bound was met, or because the service is not ready",
                &["reason", "bound"],
            )?,
            explanations: explanations(&registry)?,
            explain_seconds: histogram(
                &registry,
                "googlenet_explain_seconds",
                "Making one explanation of what was seen in the network: its sums, or its picture",
                &SECONDS,
            )?,
            panics,
            log_lines_lost: counter(
                &registry,
                "googlenet_log_lines_lost_total",
                "Lines of the log that could not be written",
            )?,
            connections: gauge(&registry, "googlenet_connections", "Open connections")?,
            body_memory: gauge(
                &registry,
                "googlenet_body_memory_bytes",
                "Memory that the bodies of requests take",
            )?,
            answer_memory: gauge(
                &registry,
                "googlenet_answer_memory_bytes",
                "Memory that the bodies of large answers take until they have been sent",
            )?,
            build_info,
            batcher,
            registry,
        })
    }

    /// The counter of the panics that are caught at `place`.
    pub fn panics(&self, place: PanicPlace) -> IntCounter {
        self.panics.with_label_values(&[place.label()])
    }

    /// Publishes what runs, once it is known.
    pub fn set_build_info(&self, model: &str, model_version: &str, precision: &str) {
        let labels = [env!("CARGO_PKG_VERSION"), model, model_version, precision];
        self.build_info.with_label_values(&labels).set(1);
    }

    /// The Prometheus text format, version 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be written, which the encoder rules out for those registered here.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// How an answer is explained: a label of [`Metrics::explanations`].
pub const EXPLANATION_METHODS: [&str; 4] = ["activations", "cam", "gradient", "occlusion"];

fn explanations(registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
    let explanations = counters(
        registry,
        "googlenet_explanations_total",
        "Images whose answer was explained, by the method",
        &["method"],
    )?;
    for method in EXPLANATION_METHODS {
        explanations.with_label_values(&[method]);
    }
    Ok(explanations)
}

fn panics(registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
    let panics = counters(
        registry,
        "googlenet_panics_total",
        "Panics caught, by where: each cost an answer",
        &["where"],
    )?;
    // An increase from nothing is no increase to Prometheus: all are there from the start.
    for place in PanicPlace::ALL {
        panics.with_label_values(&[place.label()]);
    }
    Ok(panics)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> Result<Histogram, prometheus::Error> {
    let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}
