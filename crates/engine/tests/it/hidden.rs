//! What is masked between a person, his errand and a model.

use headwater_core::event::Body;
use headwater_core::port::provider::FinishReason;
use headwater_engine::StartRun;
use serde_json::{Value, json};

use crate::house::{House, ann, ask_in};
use crate::tools::{booked, booking, free_slot, log};

/// With its check digit.
const VIN: &str = "1HGCM82633A004352";

/// Books with the calling model, once, and gives what the model was told.
async fn books(house: &mut House, ask: StartRun, arguments: &str) -> Value {
    let run = house.engine.start(&ann(), ask).await.unwrap().run;
    let mut act = house.cues.next().await;
    let asked = format!("{:?}", act.request.messages);
    assert!(!asked.contains(VIN), "{asked}");
    act.call("c", "book_appointment", arguments).await;
    act.end_with(FinishReason::ToolCalls).await;
    let mut act = house.cues.next().await;
    let told = act.request.messages.last().unwrap().content.clone();
    act.say("So it is.").await;
    act.end().await;
    for event in log(house, &ann(), &run).await {
        if let Body::ToolReturned { result, .. } = &event.body {
            assert!(!result.to_string().contains(VIN), "{result}");
        }
    }
    assert!(!told.contains(VIN), "{told}");
    serde_json::from_str(&told).unwrap()
}

// Planted fault: the result told to the model as it is.
#[tokio::test(start_paused = true)]
async fn a_model_is_told_what_came_of_a_tool_masked() {
    let mut house = House::calling();
    let ask = StartRun { vehicle_id: Some(VIN.into()), ..ask_in("assist", "Book an oil change", "s") };
    let told = books(&mut house, ask, &booking(&free_slot())).await;
    assert_eq!((&told["ok"], &told["vehicle"]), (&json!(true), &json!("[VIN]")), "{told}");
    // Its number is what an appointment is cancelled by, and is no person's.
    let kept = booked(&house, &ann()).await;
    assert_eq!(told["appointment_id"], json!(kept[0].id));
    assert_eq!(kept[0].vehicle.as_deref(), Some(VIN));
}
