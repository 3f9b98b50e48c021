"""One module for each way in which rows stand in a file; `resources.landing.files` is the door to all of them."""
