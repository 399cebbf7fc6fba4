"""What training and evaluation need to know of sound: mel spectrograms, distances between them, pictures of them."""
