"""Publishing of trained models and of results in object stores and on the Hugging Face hub, and fetching them."""
