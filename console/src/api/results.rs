//! Questions about results: each handler checks the parameters, asks the platform, and passes the answer on.

use super::Shared;
use crate::Failure;
use crate::views::{
    AirportLine, Bbox, CELLS_MAX, Cell, CellsRequest, HourCount, PRECISION_MAX, TOP_CELLS_MAX, TimeRange, Totals,
};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

/// Parameters, or why they could not be read.
pub(super) type Parameters<T> = Result<Query<T>, QueryRejection>;

pub(super) fn read<T>(parameters: Parameters<T>) -> Result<T, Failure> {
    parameters.map(|Query(parameters)| parameters).map_err(|error| Failure::invalid(error.body_text()))
}

fn time_range(from: i64, to: i64) -> Result<TimeRange, Failure> {
    if from < to {
        return Ok(TimeRange { from_ms: from, to_ms: to });
    }
    Err(Failure::invalid(format!("the range from {from} to {to} is empty: from must be before to")))
}

/// The answer about the range of all results.
#[derive(Serialize)]
pub(super) struct Range {
    range: Option<TimeRange>,
}

pub(super) async fn range(State(shared): State<Shared>) -> Result<Json<Range>, Failure> {
    let range = shared.ask(|platform| platform.time_range()).await?;
    Ok(Json(Range { range }))
}

#[derive(Deserialize)]
pub(super) struct CellsParameters {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
    precision: u8,
    from: i64,
    to: i64,
}

impl CellsParameters {
    fn request(&self) -> Result<CellsRequest, Failure> {
        let Self { west, south, east, north, precision, .. } = *self;
        let on_earth = (-180.0..=180.0).contains(&west)
            && (-180.0..=180.0).contains(&east)
            && (-90.0..=90.0).contains(&south)
            && (-90.0..=90.0).contains(&north);
        if !on_earth || west >= east || south >= north {
            let message = format!("the box {west}, {south} to {east}, {north} is not a part of the map in degrees");
            return Err(Failure::invalid(message));
        }
        if !(1..=PRECISION_MAX).contains(&precision) {
            return Err(Failure::invalid(format!("precision {precision} is not within 1..={PRECISION_MAX}")));
        }
        let range = time_range(self.from, self.to)?;
        Ok(CellsRequest { bbox: Bbox { west, south, east, north }, precision, range, cells_max: CELLS_MAX })
    }
}

/// The answer about cells.
#[derive(Serialize)]
pub(super) struct Cells {
    cells: Vec<Cell>,
    /// Whether smaller cells were left out.
    truncated: bool,
}

pub(super) async fn cells(
    State(shared): State<Shared>,
    parameters: Parameters<CellsParameters>,
) -> Result<Json<Cells>, Failure> {
    let request = read(parameters)?.request()?;
    let mut cells = shared.ask(move |platform| platform.cells(&request)).await?;
    let truncated = cells.len() >= CELLS_MAX;
    cells.truncate(CELLS_MAX);
    Ok(Json(Cells { cells, truncated }))
}

#[derive(Deserialize)]
pub(super) struct SummaryParameters {
    from: i64,
    to: i64,
    #[serde(default = "top_default")]
    top: usize,
}

fn top_default() -> usize {
    8
}

/// Everything beside the map for one range.
#[derive(Serialize)]
pub(super) struct Summary {
    totals: Totals,
    airports: Vec<AirportLine>,
    top: Vec<Cell>,
    hours: Vec<HourCount>,
}

pub(super) async fn summary(
    State(shared): State<Shared>,
    parameters: Parameters<SummaryParameters>,
) -> Result<Json<Summary>, Failure> {
    let SummaryParameters { from, to, top } = read(parameters)?;
    let range = time_range(from, to)?;
    if !(1..=TOP_CELLS_MAX).contains(&top) {
        return Err(Failure::invalid(format!("top {top} is not within 1..={TOP_CELLS_MAX}")));
    }
    let answer = shared.ask(move |platform| {
        Ok(Summary {
            totals: platform.totals(range)?,
            airports: platform.airport_lines(range)?,
            top: platform.top_cells(range, top)?,
            hours: platform.pickups_by_hour(range, None)?,
        })
    });
    answer.await.map(Json)
}

#[derive(Deserialize)]
pub(super) struct HistoryParameters {
    from: i64,
    to: i64,
    cell: String,
}

/// The answer about one cell.
#[derive(Serialize)]
pub(super) struct History {
    hours: Vec<HourCount>,
}

pub(super) async fn history(
    State(shared): State<Shared>,
    parameters: Parameters<HistoryParameters>,
) -> Result<Json<History>, Failure> {
    let HistoryParameters { from, to, cell } = read(parameters)?;
    let range = time_range(from, to)?;
    check_geohash(&cell)?;
    let hours = shared.ask(move |platform| platform.pickups_by_hour(range, Some(&cell))).await?;
    Ok(Json(History { hours }))
}

fn check_geohash(cell: &str) -> Result<(), Failure> {
    const ALPHABET: &[u8] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let length = (1..=usize::from(PRECISION_MAX)).contains(&cell.len());
    if length && cell.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return Ok(());
    }
    Err(Failure::invalid(format!("the cell is not a geohash of 1 to {PRECISION_MAX} lower-case characters")))
}
