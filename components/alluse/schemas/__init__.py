"""Types of requests and answers, shared by the component that serves them and the ones that call it."""
