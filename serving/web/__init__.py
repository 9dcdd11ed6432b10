"""Pages for staff: what people touch, on the service layer of casework."""
