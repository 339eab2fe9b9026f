"""The book's public address, and everything that follows from it."""

import re
from dataclasses import dataclass

BRANCH = "main"


@dataclass(frozen=True)
class Address:
    """A repository on GitHub and the site that its Pages serve.

    Example:
        >>> address = Address("ada", "engine")
        >>> address.repository, address.site
        ('https://github.com/ada/engine', 'https://ada.github.io/engine/')
    """

    owner: str
    name: str

    @property
    def repository(self) -> str:
        """The repository's page."""
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def path(self) -> str:
        """The path of the site on its host, with a slash at both ends."""
        own_site = self.name.lower() == f"{self.owner.lower()}.github.io"
        return "/" if own_site else f"/{self.name}/"

    @property
    def site(self) -> str:
        """The site's first page, with a slash at the end."""
        return f"https://{self.owner.lower()}.github.io{self.path}"

    @property
    def theme_options(self) -> dict[str, object]:
        """What the theme needs for its repository and launch buttons."""
        return {
            "repository_url": self.repository,
            "repository_branch": BRANCH,
            "use_repository_button": True,
            "use_issues_button": True,
            "launch_buttons": {
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com",
                "notebook_interface": "jupyterlab",
            },
        }


def parse(text: str) -> Address | None:
    """Read the value of `kanbook_address`; empty means that it is not known yet.

    Raises:
        ValueError: `kanbook_address` is not of the form https://github.com/OWNER/NAME.

    Example:
        >>> parse("https://github.com/ada/engine")
        Address(owner='ada', name='engine')
        >>> parse("") is None
        True
    """
    if not text:
        return None
    found = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?", text)
    if found is None:
        raise ValueError(
            f"_config.yml: kanbook_address is {text!r}; expected "
            "https://github.com/OWNER/REPOSITORY, because the site, the launch buttons "
            'and the canonical links follow from it. Use "" while it is not known.'
        )
    return Address(*found.groups())
