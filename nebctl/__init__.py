"""nebctl drives nebulizers at the bedside and leaves a dose record that anybody can check."""

__version__ = "0.1.0"
SOFTWARE = f"nebctl {__version__}"
