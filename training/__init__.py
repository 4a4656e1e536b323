"""How the embedded model was made: rendered scenes in, a Stable Diffusion folder out."""
