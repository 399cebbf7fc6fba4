"""What the evaluation of audio does otherwise than that of pictures: who judges, what is drawn, what can be heard."""
