//! What is masked between a person, his errand and a model.

use headwater_core::event::Body;
use headwater_core::port::provider::FinishReason;
use headwater_engine::StartRun;
use serde_json::{Value, json};

use crate::house::{House, ann, ask_in};
use crate::tools::{booked, booking, free_slot, log, says};

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

// Planted faults: the label taken for a vehicle; what was said just now not looked at.
#[tokio::test(start_paused = true)]
async fn a_label_is_nobodys_vehicle() {
    let slot = free_slot();
    let labelled = |vehicle: &str| {
        let mut arguments: Value = serde_json::from_str(&booking(&slot)).unwrap();
        arguments["vehicle"] = vehicle.into();
        arguments.to_string()
    };
    for vehicle in ["[VIN]", "the car with [VIN]", "[PHONE]"] {
        let mut house = House::calling();
        let ask = ask_in("assist", "Book an oil change", "s");
        let told = books(&mut house, ask, &labelled(vehicle)).await;
        assert_eq!((&told["ok"], &told["error"]), (&json!(false), &json!("vehicle_hidden")), "{told}");
        assert!(told["message"].as_str().unwrap().contains("Ask for it once more"), "{told}");
        assert!(booked(&house, &ann()).await.is_empty());
        // Said once more it is known, though the model has the label still.
        let ask = ask_in("assist", &format!("Book it, my VIN is {VIN}"), "s");
        let told = books(&mut house, ask, &labelled(vehicle)).await;
        assert_eq!(told["vehicle"], json!("[VIN]"), "{told}");
        assert_eq!(booked(&house, &ann()).await[0].vehicle.as_deref(), Some(VIN));
    }
    let mut house = House::calling();
    let ask = StartRun { vehicle_id: Some("car-7".into()), ..ask_in("assist", "Book an oil change", "s") };
    let told = books(&mut house, ask, &labelled("[VIN]")).await;
    assert_eq!(told["vehicle"], json!("car-7"), "{told}");
}

// Planted fault: the label in an earlier turn passed over. The appointment was made without a vehicle.
#[tokio::test(start_paused = true)]
async fn a_number_that_was_not_kept_is_asked_for_once_more() {
    let slot = free_slot();
    let (date, time) = slot.split_once('T').unwrap();
    let first = format!("Book an oil change, my VIN is {VIN}");
    let when = format!("{date} at {time}");
    let me = ann();
    let ask = "Your vehicle's number is not kept between messages. Please give it once more, or say “yes” to book \
               without it.";
    for (answer, vehicle) in [(VIN, Some(VIN)), ("yes", None)] {
        let mut house = House::new();
        assert_eq!(says(&mut house, &me, &first).await, "Which day would you like?");
        assert_eq!(says(&mut house, &me, &when).await, ask);
        assert!(booked(&house, &me).await.is_empty());
        let said = says(&mut house, &me, answer).await;
        assert!(said.starts_with("Booked: Oil change"), "{said}");
        assert_eq!(booked(&house, &me).await[0].vehicle.as_deref(), vehicle);
    }
    let mut house = House::new();
    says(&mut house, &me, &first).await;
    says(&mut house, &me, &when).await;
    assert_eq!(says(&mut house, &me, "no").await, "All right, nothing was booked.");
    // In one message nothing is lost, and nothing is asked; nor where the client says which vehicle it is.
    let said = says(&mut house, &me, &format!("{first}, on {when}")).await;
    assert!(said.starts_with("Booked: "), "{said}");
    assert_eq!(booked(&house, &me).await[0].vehicle.as_deref(), Some(VIN));
    let mut house = House::new();
    says(&mut house, &me, &first).await;
    let named = StartRun { vehicle_id: Some("car-7".into()), ..ask_in("assist", &when, "s") };
    let run = house.engine.start(&me, named).await.unwrap().run;
    log(&house, &me, &run).await;
    assert_eq!(booked(&house, &me).await[0].vehicle.as_deref(), Some("car-7"));
}
